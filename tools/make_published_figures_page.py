"""Write docs/explanation/published-figures.md: published figures, each recomputed from its own inputs, with units.

    python tools/make_published_figures_page.py [PAGE]

The figures are in published_figures.json beside this file: facts, each with the document that published it. Every
number of the page is computed here with quantities that carry their dimension, and every statement in words is checked
before it is written: were the figures others, the page would not be made.
"""

# ruff: noqa: E501 - it writes a page of prose, and asserts what it says

from __future__ import annotations

import json
import re
import sys
import textwrap
from math import isclose
from pathlib import Path
from typing import Any

from wattleak.footprint.intensity import intensity
from wattleak.footprint.quantities import Quantity, of
from wattleak.footprint.tables import INTENSITIES, read_table
from wattleak.reports import units

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "published-figures.md"
FIGURES = Path(__file__).with_name("published_figures.json")
_SHORT = (
    "The LHC-scale arithmetic is right and implies 0.5 kg CO2 per kWh. The three savings of the conclusion matrix add up to more "
    "than the emissions that they are saved from; one of its three rows follows from its percentage, if that is read as "
    "efficiency. The emissions of fine-tuning and the coal beside them are a thousand times too large (kilograms for grams). The "
    "energies of the six models are one constant power times the time. Batch efficiency and overhead of the submission systems are "
    "one figure told twice. Percentages of parts (I/O, memory, network) say nothing of a job until the part's share is known."
)
FOLLOWS, NOT, OPEN = "follows", "**does not follow**", "cannot be checked"


def main(page: Path = PAGE) -> None:
    """Compute and write the page."""
    page.write_text(reflowed(text(json.loads(FIGURES.read_text(encoding="utf-8")))), encoding="utf-8")


def text(known: dict[str, Any]) -> str:
    """The whole page."""
    documents = "\n".join(f"- **{key}**: {what}" for key, what in known["documents"].items())
    sections = (_lhc, _matrix, _hardware, _schedulers, _models, _smells, _frameworks, _parts, _tabular, _milestone)
    parts = "\n\n".join(section(known) for section in sections)
    return f"""# Published figures, recomputed

<!-- Made by tools/make_published_figures_page.py; do not edit. -->

Projections are made from figures that others published, and figures are copied for longer than anybody remembers what went
into them. So here each one is computed again from its own inputs, with its units, and next to it stands whether it follows. Nothing
was measured for this page, and nothing is held against the authors: slips of a factor of a thousand are easy to make in reports
without ranges, and most of what is below adds up. Where two readings are possible, both are computed.

{documents}

`wattleak project` never uses one of these figures unless you ask for it by name (`--scheduler slurm`, `gpu:40%:quoted`),
and then marks everything that comes of it `quoted`; it takes them without a range, for none is known.

**In short.** {_SHORT}

{parts}
"""


# -- LHC scale -------------------------------------------------------------------------------------------------------


def _lhc(known: dict[str, Any]) -> str:
    lhc = known["lhc"]
    day = of(lhc["jobs_a_day"], "job/day") * of(lhc["wh_per_job"], "Wh/job")
    implied = of(lhc["t_a_day"], "t/day") / day
    gain = day * (lhc["gain_percent"] / 100)
    gain_mass = gain * implied
    assert day.in_unit("MWh/day") == lhc["mwh_a_day"]
    assert isclose(float(gain.in_unit("kWh/day")), lhc["gain_kwh_a_day"])
    assert isclose(float(gain_mass.in_unit("kg/day")), lhc["gain_kg_a_day"])
    grams = float(implied.in_unit("g/kWh"))
    rows = [
        ("energy of a day", "1,000,000 jobs x 15 Wh", _in(day, "MWh/day"), "15 MWh", FOLLOWS),
        ("CO2 of a day", "7.5 t / 15 MWh", f"{grams:g} g/kWh implied", "7.5 t", f"{FOLLOWS}, at that intensity"),
        ("5 % gain", "15 MWh x 5 %", _in(gain, "kWh/day"), "750 kWh", FOLLOWS),
        ("CO2 of that gain", f"750 kWh x {grams:g} g/kWh", _in(gain_mass, "kg/day"), "375 kg", FOLLOWS),
    ]
    places = [
        (place.region, f"{place.value:.0f} g/kWh", _in(day * of(place.value, "g/kWh"), "t/day"))
        for place in map(intensity, ("CH", "FR", "US", "world", "PL"))
    ]
    return f"""## LHC scale (C)

{_table(("figure", "from", "computed", "published", ""), rows)}

The intensity is not stated in the report and is not that of the place: it is a little above the world's average. The same day's
energy elsewhere, at the yearly averages that wattleak ships:

{_table(("grid", "intensity", "CO2e of the same day"), places)}

`wattleak project --scenario lhc` computes it with intervals."""


def _matrix(known: dict[str, Any]) -> str:
    base = of(known["lhc"]["t_a_day"], "t/day")
    rows, left_efficiency, sum_tonnes = [], 1.0, 0.0
    matches = []
    for name, _, percent, tonnes in known["matrix"]["rows"]:
        share = percent / 100
        efficiency = 1 - 1 / (1 + share)  # so many per cent more work from the same energy
        printed = of(tonnes, "t/day")
        as_share, as_efficiency = base * share, base * efficiency
        fits = isclose(float(as_efficiency.in_unit("t/day")), tonnes, abs_tol=0.05)
        matches.append(fits)
        rows.append(
            (
                name,
                f"{percent:+d} %",
                f"{_in(as_share, 't/day')}" + (" (more than there is)" if share > 1 else ""),
                f"{100 * efficiency:.1f} % = {_in(as_efficiency, 't/day')}",
                f"{tonnes} t = {100 * float((printed / base).base):.0f} % of 7.5 t",
                "follows as efficiency" if fits else NOT,
            )
        )
        left_efficiency *= 1 - efficiency
        sum_tonnes += tonnes
    assert matches == [False, True, False]
    assert sum_tonnes > known["lhc"]["t_a_day"]
    together = 100 * (1 - left_efficiency)
    penalty = sum(row[1] for row in known["matrix"]["rows"])
    assert together > known["matrix"]["together_more_than_percent"]
    assert -penalty < known["matrix"]["together_penalty_below_percent"]
    return f"""## The conclusion matrix (C)

"Saving" of +420 % cannot be a share of what is used: nothing saves more than all of it. Read as efficiency (so much more work
from the same energy) +p % saves 1 - 1/(1 + p). Both readings against the 7.5 t a day of the same report:

{_table(("row", "published saving", "read as a share", "read as efficiency", "published saving a day", ""), rows)}

- The three savings add up to **{sum_tonnes:.1f} t a day**, of 7.5 t that are emitted at all.
- *Hardware* follows as efficiency, with 81 % and 6.1 t. It does not follow from the report's own Wh per job: 23.4 to 5.1 Wh is
  {100 * (23.4 / 5.1 - 1):+.0f} %, to 3.7 Wh {100 * (23.4 / 3.7 - 1):+.0f} %; +420 % lies between.
- *Algorithm* is 56 % of the day where +31 % saves 31 % or 24 %; *system tuning* is 36 %, which is twice its 18 %.
- "More than 60 % together at less than 3 % penalty": if the three do not overlap and are read as efficiency, {together:.0f} % (which is
  more than 60 %, and hardware alone is already); the penalties add up to {-penalty:.1f} %. It {FOLLOWS} as a lower bound; whether they overlap is not said."""


def _hardware(known: dict[str, Any]) -> str:
    wh = known["hardware_wh_per_job"]
    cpu = of(wh["CPU"], "Wh/job")
    rows = []
    for name in ("GPU", "TPU"):
        one = of(wh[name], "Wh/job")
        times = float((cpu / one).base)
        rows.append(
            (
                name,
                f"{wh[name]} Wh",
                f"{times:.2f} times less",
                f"{100 * (1 - 1 / times):.1f} % saved",
                f"{100 * (times - 1):+.0f} % efficiency",
            )
        )
    low, high = wh["gpu_times_less"]
    assert low <= wh["CPU"] / wh["GPU"] <= high < wh["CPU"] / wh["TPU"]
    return f"""## Hardware (C)

CPU 23.4 Wh a job.

{_table(("", "a job", "against the CPU", "which is", "or"), rows)}

"A GPU needs 3 to 5 times less": {FOLLOWS} for the GPU. What the job is, how long each took and whether idle watts and the host of the GPU
are in it is not said; a GPU that waits for its data is not 4.6 times better. No range, so no interval can follow."""


def _schedulers(known: dict[str, Any]) -> str:
    systems = known["schedulers"]
    rows = []
    for name, overhead in systems["overhead_percent"].items():
        useful = systems["batch_efficiency_percent"][name]
        assert useful == 100 - overhead
        rows.append(
            (name, f"{overhead} %", f"{useful} %", f"{100 - overhead} %", f"{100 * (1 / (useful / 100) - 1):.1f} %")
        )
    return f"""## Job submission systems (C)

{_table(("", "overhead", "batch efficiency", "100 % - overhead", "overhead that the efficiency means (1/e - 1)"), rows)}

The efficiency is 100 % minus the overhead in all three rows, to the digit: one figure told twice, and who applies both counts it
twice. As a relation it is off by a little, too: if 92 % of the energy is useful, the overhead on the useful part is 8.7 %, not
8 %. `--scheduler slurm` takes the overhead alone and says so. How any of them was measured is not published: {OPEN}."""


# -- six models ------------------------------------------------------------------------------------------------------


def _models(known: dict[str, Any]) -> str:
    models, coal = known["models"], known["coal"]
    rows, watts = [], []
    energies: dict[str, Quantity] = {}
    for name, _, _, busy, minutes, seconds, kj in models["rows"]:
        energies[name] = of(kj, "kJ")
        watts.append(kj * 1000 / (60 * minutes + seconds))
        rows.append((name, f"{minutes}:{seconds:02d}", f"{kj} kJ", f"{watts[-1]:.1f} W", f"{busy} %"))
    assert max(watts) - min(watts) < 0.2
    assert isclose(models["joules_a_minute"] / 60, sum(watts) / len(watts), rel_tol=0.002)
    minute = of(models["joules_a_minute"], "J")
    heat = of(models["coal_kg_a_minute"], "kg") * of(coal["mj_per_kg"], "MJ/kg")
    burnt = minute / of(coal["mj_per_kg"], "MJ/kg")
    at_plant = burnt / coal["plant_efficiency"]
    assert 0.4 < float(at_plant.in_unit("g")) < 0.6
    more = []
    for one, other, kg in models["more_kg"]:
        difference = energies[one] - energies[other]
        implied = of(kg, "kg") / difference
        usa = difference * of(models["grid_kg_per_kwh"]["USA"], "kg/kWh")
        more.append(
            (
                f"{one} against {other}",
                f"{_in(difference, 'kJ')} = {_in(difference, 'Wh')}",
                f"{kg} kg",
                f"{float(implied.in_unit('kg/kWh')):.0f} kg/kWh",
                _in(usa, "g"),
                NOT + ": g, not kg",
            )
        )
        assert 400 < float(implied.in_unit("kg/kWh")) < 450
    grids = []
    for name, code in (("Poland", "PL"), ("USA", "US"), ("Iceland", "IS")):
        here = intensity(code)
        printed = 1000 * models["grid_kg_per_kwh"][name]
        grids.append(
            (
                name,
                f"{printed:g} g/kWh",
                f"{here.value:.0f} g/kWh ({here.year})",
                f"{100 * (printed / here.value - 1):+.0f} %",
            )
        )
    utilisation = [row[3] for row in models["rows"]]
    dirtiest = max(value for name in INTENSITIES for value, _ in read_table(name)["regions"].values())
    assert dirtiest < 2000
    return f"""## Six models on one T4 (B)

{_table(("model", "time", "energy", "energy / time", "GPU utilisation"), rows)}

**All six energies are {sum(watts) / len(watts):.1f} W times the time** (4120 J a minute), while utilisation goes from {min(utilisation)} to {max(utilisation)} %.
The board's limit is {models["board_power_limit_w"]} W. A counter would not read so; either the board sat at its limit throughout, or the energy is
the time in another unit. Ranking models by it ranks them by time, which is no second finding.

**"4120 J a minute equal half a kilogram of coal burnt a minute."** 4120 J are {_in(minute, "Wh")}. Half a kilogram of coal holds
{_in(heat, "MJ")} of heat, {float((heat / minute).base):,.0f} times as much. 4120 J are the heat of {_in(burnt, "g")} of coal, or, at a power station that turns
{100 * coal["plant_efficiency"]:.0f} % of it into electricity, {_in(at_plant, "g")}: **half a gram**. A factor of a thousand. ({coal["source"]}.)

**Emissions said to differ by kilograms:**

{_table(("", "difference in energy", "published", "implied intensity", "at 0.4 kg/kWh (USA, same document)", ""), more)}

The dirtiest grid of the shipped tables emits {dirtiest / 1000:.2f} kg/kWh; 400 is not possible. In grams both figures fit the document's own intensity
of the USA: the same factor of a thousand.

**Grid intensities** beside the yearly averages that wattleak ships:

{_table(("", "published", "shipped table", "published against it"), grids)}

Those of Poland and Iceland are some years old or rounded; they are of the right order."""


def _smells(known: dict[str, Any]) -> str:
    smells = known["smells"]
    base = smells["baseline"]
    rows = []
    for name in ("baseline", "improper model reuse", "unreleased tensor references"):
        one = smells[name]
        implied = of(one["kg"], "kg") / of(one["kwh"], "kWh")
        change = 100 * (one["kwh"] / base["kwh"] - 1)
        if "change_percent" in one:
            assert isclose(change, one["change_percent"], abs_tol=0.006)
        rows.append(
            (
                name,
                f"{one['kwh']} kWh",
                "" if name == "baseline" else f"{change:+.2f} %",
                f"{one['change_percent']:+.2f} %" if "change_percent" in one else "",
                f"{float(implied.in_unit('g/kWh')):.1f} g/kWh",
            )
        )
    return f"""## Two smells (A)

{_table(("", "energy", "computed", "published", "implied intensity"), rows)}

The percentages follow. CO2 is energy times one intensity, so it is the same finding, not another. Whether the energies mean what they
seem to (all baselines first, no interval) is another question: [what was found here](replication.md)."""


def _frameworks(known: dict[str, Any]) -> str:
    frameworks = {name: value for name, value in known["frameworks"].items() if name != "document"}
    rows, per, whole = [], [], []
    for name, one in frameworks.items():
        mass = of(one["mg_per_inference"], "mg")
        alone = mass / of(one["wh_per_accuracy"], "Wh")
        times = mass / of(one["wh_per_accuracy"] * one["accuracy_percent"] / 100, "Wh")
        per.append(float(alone.in_unit("g/kWh")))
        whole.append(float(times.in_unit("g/kWh")))
        energy = mass / of(0.5, "kg/kWh")
        rows.append(
            (
                name,
                f"{one['wh_per_accuracy']} Wh",
                f"{one['mg_per_inference']} mg",
                f"{per[-1]:.0f} g/kWh",
                f"{whole[-1]:.1f} g/kWh",
                _in(energy, "Wh"),
            )
        )
    first, second = frameworks.values()
    energy_ratio = second["wh_per_accuracy"] / first["wh_per_accuracy"]
    carbon_ratio = second["mg_per_inference"] / first["mg_per_inference"]
    assert abs(whole[0] - whole[1]) < 0.1
    day = of(1e6, "1/day") * of(first["mg_per_inference"], "mg")
    return f"""## TensorFlow against PyTorch (C)

{_table(("", "Wh per accuracy", "CO2 per inference", "implied, if those Wh are of one inference", "implied, if they are per 100 % of accuracy", "energy of one inference at 0.5 kg/kWh"), rows)}

"Wh per accuracy" has no unit that could be checked: per point, per cent, per run? Times the accuracy it gives the same
{whole[0]:.1f} g/kWh for both frameworks, so that is probably how the CO2 came about; it is then half the 500 g/kWh of the LHC figures of the
same report. PyTorch over TensorFlow is {energy_ratio:.2f} in energy and {carbon_ratio:.2f} in CO2. With 1 M inferences a day 42 mg are {_in(day, "kg/day")}
a day. 0.17 or 0.2 Wh for one inference of an image classifier would be large: a minute of 10 W. {OPEN.capitalize()}."""


def _parts(known: dict[str, Any]) -> str:
    parts = known["parts"]
    rows = [
        (name, f"{percent} % of the {of_what}", *(f"{percent * share / 100:.1f} %" for share in (5, 20, 50)))
        for name, percent, of_what in parts["rows"]
    ]
    low, high = parts["compression_and_batching_percent"]
    both = 100 * (1 - (1 - 0.22) * (1 - 0.31))
    assert low < both < high
    return f"""## Savings of parts (C)

A saving of a part is a saving of the job times the part's share of its energy, and the share is published for none of them:

{_table(("", "published", "of a job, if the part is 5 % of it", "20 %", "50 %"), rows)}

So "compressed data saves 40 %" may be 2 % of a job or 20 %. "Cache-aware" (18 % of memory energy) and "cache reuse" (17 %) may be
one figure or two. In `wattleak project` such a term needs its share: `--storage nvme:10%`.

Quantisation (22 % of a job) and batching (31 %) together leave 1 - 0.78 x 0.69 = {both:.0f} % saved, if they do not overlap, which lies inside the "30 to 50 % by compression and
batching": it {FOLLOWS}. All of them are claims to be tested, not results: wattleak repeats none as its own."""


def _tabular(known: dict[str, Any]) -> str:
    tabular = known["tabular"]
    low, high = (of(tabular[key], "kg") for key in ("kg_low", "kg_high"))
    grid = of(0.5, "kg/kWh")
    year_low, year_high = low * tabular["trainings_a_year"], high * tabular["trainings_a_year"]
    one = year_high / (tabular["predictions_a_day"] * 365)
    energy = one / grid
    assert 5e-6 < float(energy.in_unit("J")) < 2e-5
    return f"""## Small tabular runs (D)

Four runs of 5e-6 to 9e-6 kg CO2 are {_in(low / grid, "mWh")} to {_in(high / grid, "mWh")} each at 0.5 kg/kWh. 52 trainings a year are {_in(year_low, "g")} to {_in(year_high, "g")}
of CO2 a year: less than boiling a cup of water. No energy of a prediction is published, so the break-even {OPEN}; but a million predictions a day
outweigh the trainings as soon as one of them takes more than {_small(energy, "J")} ({_small(one, "g")} of CO2): a microsecond of a CPU core that draws 10 W. Four runs of
this size lie near what software meters resolve; nothing about 5e-6 against 9e-6 kg is shown without repeats."""


def _milestone(known: dict[str, Any]) -> str:
    rows = []
    for name, runs, kwh, kg, seconds in known["milestone"]["rows"]:
        implied = of(kg, "kg") / of(kwh, "kWh")
        power = kwh * 3.6e6 / seconds
        rows.append(
            (
                name,
                str(runs),
                f"{1000 * kwh / runs:.4g} Wh",
                f"{float(implied.in_unit('g/kWh')):.0f} g/kWh",
                f"{power:.1f} W",
            )
        )
    return f"""## Hidden ML Cost, Milestone 1 (E)

{_table(("runs of", "runs", "mean training", "implied intensity", "energy / time"), rows)}

CO2 is energy times 499 g/kWh in all four (rounding of the last printed digit aside), and the second file's energy is one constant power times the time. What
these twenty runs of each can and cannot show stands in [the worked example](worked-example-published-runs.md)."""


# -- writing ---------------------------------------------------------------------------------------------------------


def _in(quantity: Quantity, unit: str) -> str:
    return f"{units.plain(float(quantity.in_unit(unit)))} {unit.removesuffix('/day')}"


def _small(quantity: Quantity, unit: str) -> str:
    return f"{float(quantity.in_unit(unit)):.1e} {unit}"


def reflowed(page: str) -> str:
    """Paragraphs and list items at 120 columns; tables, headings and comments as they are."""
    blocks = []
    for block in page.split("\n\n"):
        if block.lstrip().startswith(("|", "#", "<")):
            blocks.append(block.strip("\n"))
            continue
        items = re.split(r"\n(?=- )", block)
        wrapped = [
            textwrap.fill(
                " ".join(item.split()),
                120,
                subsequent_indent="  " if item.lstrip().startswith("- ") else "",
                break_long_words=False,
                break_on_hyphens=False,
            )
            for item in items
        ]
        blocks.append("\n".join(wrapped))
    return "\n\n".join(blocks).rstrip() + "\n"


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + ":--|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
