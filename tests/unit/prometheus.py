# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A small parser of Prometheus' text format, strict where the format is."""

import re
from collections import defaultdict

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({_NAME}) (.*)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram)")
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:{{((?:{_LABEL},?)*)}})? (\S+)")
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_SUFFIXES = ("_bucket", "_sum", "_count")


def parse(text):
    """``{name: (kind, help, {(sample's name, labels as sorted pairs): value})}``

    :raises ValueError: the line that is not as the format wants it
    """
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    found, current = {}, None
    for line in text.splitlines():
        if match := _HELP.fullmatch(line):
            current = match[1]
            if current in found:
                raise ValueError(f"{current} comes twice")
            found[current] = [None, _unescape(match[2]), {}]
        elif match := _TYPE.fullmatch(line):
            if match[1] != current or found[current][2]:
                raise ValueError(f"out of place: {line}")
            found[current][0] = match[2]
        else:
            _add_sample(found, current, line)
    for name, (kind, _help, samples) in found.items():
        if kind == "histogram":
            _check_histogram(name, samples)
        elif kind == "counter" and not name.endswith("_total"):
            raise ValueError(f"the counter {name} is not named so")
    return {name: tuple(metric) for name, metric in found.items()}


def _add_sample(found, current, line):
    match = _SAMPLE.fullmatch(line)
    if not match:
        raise ValueError(f"not a sample: {line}")
    name, labels, value = match[1], match[2] or "", match[match.lastindex]
    kind, _help, samples = found[current]
    allowed = [current + suffix for suffix in _SUFFIXES]
    if name not in (allowed if kind == "histogram" else [current]):
        raise ValueError(f"{name} does not belong to {current}")
    pairs = [(key, _unescape(text)) for key, text in re.findall(_LABEL, labels)]
    key = name, tuple(sorted(pairs))
    if key in samples or len(dict(pairs)) != len(pairs):
        raise ValueError(f"comes twice: {line}")
    samples[key] = float(value)


def _check_histogram(name, samples):
    series = defaultdict(list)
    for (sample, labels), value in samples.items():
        if sample == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            rest = tuple(pair for pair in labels if pair[0] != "le")
            series[rest].append((bound, value))
    for labels, buckets in series.items():
        bounds, counts = zip(*buckets)
        if list(bounds) != sorted(set(bounds)) or bounds[-1] != float("inf"):
            raise ValueError(f"{name}{labels}: its bounds are {bounds}")
        if list(counts) != sorted(counts):
            raise ValueError(f"{name}{labels}: its counts are not cumulative")
        if samples[f"{name}_count", labels] != counts[-1]:
            raise ValueError(f"{name}{labels}: its count is not that of all")
        if (f"{name}_sum", labels) not in samples:
            raise ValueError(f"{name}{labels} has no sum")


def _unescape(text):
    return re.sub(r'\\[\\"n]', lambda match: _ESCAPED[match[0]], text)
