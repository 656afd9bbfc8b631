"""Prices as pictures: by brand and by year, one pair for each currency."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

_FEWEST = 20  # priced listings of a currency that make a plot worth looking at
_MOST_CURRENCIES = 4
_MOST_BRANDS = 25
_FEWEST_OF_YEAR = 3
_FEWEST_YEARS = 3
_BLUE, _PALE = "#3b6ea5", "#c6d6e8"


def price_plots(listings: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """(currency, prices by brand, prices by year) as data URIs of PNGs, the currency with most prices first.

    "" in the place of the last where there are not three years to draw. Only prices without a flag are drawn; the
    currency "" stands for prices without one.
    """
    doubtful = [flags for flags in listings["flags"].cat.categories if "price" in str(flags).split()]
    priced = listings[(listings["price"] > 0) & ~listings["flags"].isin(doubtful)]
    counts = priced["currency"].astype(str).value_counts()
    for currency, count in counts.head(_MOST_CURRENCIES).items():
        if count >= _FEWEST:
            some = priced[priced["currency"].astype(str) == currency]
            yield str(currency), _by_brand(some, str(currency)), _by_year(some, str(currency))


def _by_brand(priced: pd.DataFrame, currency: str) -> str:
    brands = priced.loc[priced["brand"].astype(str) != "", "brand"].astype(str)
    counts = brands.value_counts().head(_MOST_BRANDS)
    prices = [priced.loc[brands.index[brands == brand], "price"].to_numpy() for brand in counts.index]
    order = np.argsort([np.median(some) for some in prices])
    figure, axes = _figure(1.3 + 0.27 * max(len(order), 2))
    if len(order):
        axes.boxplot(
            [prices[i] for i in order], orientation="horizontal", whis=(5, 95), showfliers=False,
            widths=0.62, patch_artist=True,
            medianprops={"color": "#b5523b", "linewidth": 1.6}, boxprops={"facecolor": _PALE, "edgecolor": _BLUE},
            whiskerprops={"color": _BLUE}, capprops={"color": _BLUE},
        )  # fmt: skip
        axes.set_yticks(
            range(1, len(order) + 1),
            [f"{_plain(counts.index[i])} ({counts.iloc[i]:,})" for i in order],
            fontsize=8,
        )
    axes.set_xscale("log")
    _money(axes.xaxis)
    more = brands.nunique() - len(counts)
    rest = f", the {len(counts)} with most listings of {brands.nunique()}" if more > 0 else ""
    axes.set_title(f"Price by brand{rest}: median, quartiles, 5 to 95 % (listings)", loc="left", fontsize=10)
    axes.set_xlabel(f"price in {currency or 'no known currency'}, logarithmic")
    return _data_uri(figure)


def _by_year(priced: pd.DataFrame, currency: str) -> str:
    plain = priced[priced["year"].notna() & ~priced["flags"].astype(str).str.contains("year")]
    grouped = plain.groupby(plain["year"].astype(int))["price"]
    told = grouped.quantile(np.array([0.05, 0.25, 0.5, 0.75, 0.95])).unstack()
    told = told[grouped.size() >= _FEWEST_OF_YEAR]
    if len(told) < _FEWEST_YEARS:
        return ""
    figure, axes = _figure(3.6)
    years = told.index.to_numpy()
    axes.fill_between(years, told[0.05], told[0.95], color=_PALE, alpha=0.45, linewidth=0, label="5 to 95 %")
    axes.fill_between(years, told[0.25], told[0.75], color=_BLUE, alpha=0.35, linewidth=0, label="quartiles")
    axes.plot(years, told[0.5], color="#b5523b", marker="o", markersize=3, label="median")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.set_yscale("log")
    _money(axes.yaxis)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"Price by year of the car, years with {_FEWEST_OF_YEAR} and more prices", loc="left", fontsize=10)
    axes.set_ylabel(f"price in {currency or 'no known currency'}")
    return _data_uri(figure)


def _plain(text: object) -> str:
    """Text that is no formula to matplotlib."""
    return str(text).replace("$", r"\$")


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="both", color="#e6e9ed", linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def _money(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())


def _data_uri(figure: Any) -> str:
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")
