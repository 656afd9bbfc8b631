"""One Settings object: carharvest.toml < environment < flags."""

from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from carharvest import __version__
from carharvest.errors import BadSettings
from carharvest.text import printable

SETTINGS_FILE = "carharvest.toml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HarvestSettings(_Section):
    """Limits of a download and of a decode."""

    workers: int = Field(default=16, ge=1, le=256)  # downloads at once
    per_host: int = Field(default=8, ge=1, le=256)  # of them, from one host
    host_delay_s: float = Field(default=0.0, ge=0)  # between two starts at one host
    processes: int | None = Field(default=None, ge=0, le=256)  # that decode; None: one a core, 0: threads instead
    max_bytes: int = Field(default=50_000_000, gt=0)
    max_pixels: int = Field(default=150_000_000, gt=0)
    connect_s: float = Field(default=10.0, gt=0)
    read_s: float = Field(default=20.0, gt=0)  # of silence
    timeout_s: float = Field(default=60.0, gt=0)  # for all of a picture
    attempts: int = Field(default=3, ge=1, le=20)
    backoff_s: float = Field(default=1.0, gt=0)
    allow_private_hosts: bool = False
    heed_robots_tag: bool = True  # X-Robots-Tag: noai, noimageai, noindex, noimageindex


class PexelsSettings(_Section):
    url: str = "https://api.pexels.com"


class FlickrSettings(_Section):
    url: str = "https://api.flickr.com/services/rest/"


class OpenverseSettings(_Section):
    """Without a client, Openverse answers one request a second with 20 pictures."""

    url: str = "https://api.openverse.org"
    client_id: str = ""
    client_secret: SecretStr | None = None


class CommonsSettings(_Section):
    url: str = "https://commons.wikimedia.org/w/api.php"


class BingSettings(_Section):
    url: str = "https://www.bing.com"
    delay_s: float = Field(default=2.0, ge=0)


class GoogleSettings(_Section):
    """`browser`: a Chromium or Chrome; found on PATH if not set."""

    url: str = "https://www.google.com"
    browser: Path | None = None
    delay_s: float = Field(default=2.0, ge=0)


class QualitySettings(_Section):
    """Photos beyond these are dropped by `normalize`. docs/curation.md shows how they were chosen."""

    min_side_px: int = Field(default=96, ge=1)
    max_aspect: float = Field(default=3.0, gt=1)
    min_blur_var: float = Field(default=40.0, ge=0)
    min_lightest: float = Field(default=0.2, ge=0, le=1)  # light that one pixel of a hundred exceeds
    max_darkest: float = Field(default=0.8, ge=0, le=1)  # light that 99 pixels of a hundred exceed
    min_contrast: float = Field(default=0.04, ge=0, le=1)
    min_entropy_bits: float = Field(default=1.5, ge=0, le=8)
    # These are flagged, not dropped.
    max_grey: float = Field(default=0.6, ge=0)  # mean distance of Cb and Cr from grey: up to here a photo has no colour
    max_border: float = Field(default=0.1, ge=0, le=1)  # share of height or width that bars at both edges take


class DuplicateSettings(_Section):
    """A 64-bit pHash proposes, one of 256 bits and the colours decide. docs/curation.md shows how they were chosen."""

    radius_bits: int = Field(default=8, ge=0, le=12)  # of 64: pairs farther apart are not looked at
    copy_detail_bits: int = Field(default=16, ge=0, le=128)  # of 256: at most this far is a copy
    shot_detail_bits: int = Field(default=40, ge=0, le=128)  # of 256: at most this far is the same shot
    copy_chroma: float = Field(default=6.0, ge=0)  # mean difference of Cb and Cr, 0-255; beyond, another colour
    shot_inliers: int = Field(default=25, ge=6)  # features that agree on one affine map: the same shot
    copy_inliers: int = Field(default=25, ge=6)  # the same, for a copy
    min_inlier_share: float = Field(default=0.4, ge=0, le=1)  # of all matched features
    copy_light: float = Field(default=0.99, ge=-1, le=1)  # correlation of light where one lies over the other
    copy_aligned_chroma: float = Field(default=2.5, ge=0)  # as copy_chroma, of two pictures laid over each other


class ContentSettings(_Section):
    """What the network has to see of a car. docs/curation.md shows how the values were chosen."""

    min_car: float = Field(default=0.05, ge=0, le=1)  # probability of all classes of cars and their parts together
    min_car_on_plain: float = Field(default=0.25, ge=0, le=1)  # the same for a picture that is mostly one colour
    plain_entropy_bits: float = Field(default=4.2, ge=0, le=8)  # such a picture
    logo_entropy_bits: float = Field(default=6.3, ge=0, le=8)  # beyond, what is no car is no logo either
    min_part: float = Field(default=0.6, ge=0, le=1)  # probability of wheel, mirror and seat belt: only a part of a car
    drawn_sources: tuple[str, ...] = ("sample",)


class WatermarkSettings(_Section):
    """Text and banners over a picture: flagged, or dropped."""

    drop: bool = False
    min_letters: int = Field(default=6, ge=3)  # in a row


class DiversitySettings(_Section):
    """Most photos of a brand, the most different ones; None: all."""

    cap: int | None = Field(default=None, ge=1)


class AuditSettings(_Section):
    """Labels that contradict the photo: flagged, or dropped."""

    drop: bool = False
    min_photos: int = Field(default=10, ge=5)  # of a brand, for it to take part
    min_agreement: float = Field(default=0.7, ge=0, le=1)  # share of labels that the classifier agrees with


class SplitSettings(_Section):
    """Shares of train, val and test in percent."""

    train: int = Field(default=70, ge=1, le=100)
    val: int = Field(default=15, ge=0, le=100)
    test: int = Field(default=15, ge=0, le=100)


class Settings(BaseSettings):
    """Everything that can be set, with the defaults that the four commands need."""

    model_config = SettingsConfigDict(
        env_prefix="CARHARVEST_", env_nested_delimiter="__", toml_file=SETTINGS_FILE, extra="forbid", frozen=True
    )

    workspace: Path = Path("datasets")
    brand_mapping: Path | None = None
    seed: int = Field(default=42, ge=0, lt=2**32)
    pexels_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("PEXELS_API_KEY", "CARHARVEST_PEXELS_API_KEY", "pexels_api_key")
    )
    flickr_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("FLICKR_API_KEY", "CARHARVEST_FLICKR_API_KEY", "flickr_api_key")
    )
    contact: str = ""  # an address at which the owner of a site can reach you; goes into the User-Agent
    harvest: HarvestSettings = HarvestSettings()
    pexels: PexelsSettings = PexelsSettings()
    flickr: FlickrSettings = FlickrSettings()
    openverse: OpenverseSettings = OpenverseSettings()
    commons: CommonsSettings = CommonsSettings()
    bing: BingSettings = BingSettings()
    google: GoogleSettings = GoogleSettings()
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)  # what sources of others are to be told
    quality: QualitySettings = QualitySettings()
    duplicates: DuplicateSettings = DuplicateSettings()
    content: ContentSettings = ContentSettings()
    watermark: WatermarkSettings = WatermarkSettings()
    audit: AuditSettings = AuditSettings()
    diversity: DiversitySettings = DiversitySettings()
    split: SplitSettings = SplitSettings()

    @property
    def user_agent(self) -> str:
        """Who asks, and where to complain."""
        where = "https://pypi.org/project/carharvest/"
        return f"carharvest/{__version__} (+{where}{f'; {printable(self.contact, 200)}' if self.contact else ''})"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**flags: Any) -> Settings:
    """Settings from ./carharvest.toml, the environment and the flags that are not None.

    Raises BadSettings naming each value that makes no sense; values of secrets are never shown.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg'][0].lower()}{e['msg'][1:]}" for e in error.errors()
        )
        raise BadSettings(
            f"a setting makes no sense: {problems}",
            hint=f"look at ./{SETTINGS_FILE} and at the environment variables CARHARVEST_*",
        ) from None
    except ValueError as error:  # TOML that does not parse
        raise BadSettings(f"{SETTINGS_FILE} cannot be read: {error}", hint="mend the line it names") from None
