"""The Croissant description of an export: JSON-LD that data set searches and mlcroissant read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carharvest import __version__
from carharvest.blobs import file_sha256
from carharvest.licenses import LICENSES
from carharvest.records import Placed

# The context of Croissant 1.0 (docs.mlcommons.org/croissant/docs/croissant-spec.html).
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FIELDS = {
    "file": ("sc:Text", "Where the picture is, below this file"),
    "part": ("sc:Text", "train, val or test"),
    "class": ("sc:Text", "What it is to be classified as"),
    "sha256": ("sc:Text", "Of the bytes as they were found"),
    "brand": ("sc:Text", "The brand of the car"),
    "group": ("sc:Text", "Photos of the same shot have the same"),
    "width_px": ("sc:Integer", "Of the picture here"),
    "height_px": ("sc:Integer", "Of the picture here"),
    "source": ("sc:Text", "Where it was found"),
    "license": ("sc:Text", "Its licence, empty where nobody says one"),
}


def croissant(
    root: Path, name: str, placed: Sequence[Placed], patterns: Sequence[str], encoding: str, digest: str
) -> dict[str, Any]:
    """The content of croissant.json beside `root`/photos.jsonl, which has to be there.

    `patterns`: globs of the files below `root` that hold the data, of the media type `encoding`. Version and date come
    from the data, so that the same data has the same.
    """
    licenses = sorted({p.photo.license for p in placed})
    urls = [LICENSES[id_].url or LICENSES[id_].name for id_ in licenses if id_ in LICENSES]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": f"{len(placed):,} photos of cars, made by carharvest {__version__}; see README.md.",
        "license": urls or ["unknown"],
        "url": "https://pypi.org/project/carharvest/",
        "version": f"1.0.0+{digest[:12]}",
        "datePublished": max((p.photo.seen_at[:10] for p in placed if p.photo.seen_at), default="1970-01-01"),
        "citeAs": f"{name}, made by carharvest {__version__}; authors of the photos in ATTRIBUTION.csv",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "photos.jsonl",
                "name": "photos.jsonl",
                "description": "A line a picture",
                "contentUrl": "photos.jsonl",
                "encodingFormat": "application/jsonlines",
                "sha256": file_sha256(root / "photos.jsonl"),
            },
            {
                "@type": "cr:FileSet",
                "@id": "pictures",
                "name": "pictures",
                "description": "The pictures, or what is known of them",
                "encodingFormat": encoding,
                "includes": list(patterns),
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "photos",
                "name": "photos",
                "description": "What is known of each picture",
                "key": {"@id": "photos/file"},
                "field": [_field(column, *told) for column, told in _FIELDS.items()],
            }
        ],
    }


def _field(column: str, data_type: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"photos/{column}",
        "name": column,
        "description": description,
        "dataType": data_type,
        "source": {"fileObject": {"@id": "photos.jsonl"}, "extract": {"column": column}},
    }
