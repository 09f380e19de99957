# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What Odoo's own runner finds of the tests: ``odoo-bin --test-tags /queue_job``.

It takes the modules of this package whose names begin with ``test_``. Those of our
tests that need an Odoo with this add-on and nothing else are there when it asks for
them; they are not imported with ``tests.common`` by the tests of other add-ons.
``dev/test`` runs all tests.
"""

from functools import cache
from importlib import import_module
from pathlib import Path

#: words of those that need add-ons, packages or servers of the set-up in ``dev``
_MORE = ("hypothesis", "codec_strategies", "acceptance", "test_queue_", "test.queue.")
#: further ones: they look at the checkout, or measure this add-on without any other
_OTHERS = ("documentation", "translations", "budget", "plans", "ui_large")


@cache
def _modules() -> dict[str, str]:
    """``{name here: name of the module}``"""
    return {
        f"test_{folder}_{path.stem.removeprefix('test_')}": (
            f"{__name__}.{folder}.{path.stem}"
        )
        for folder in ("unit", "integration")
        for path in sorted((Path(__file__).parent / folder).glob("test_*.py"))
        if _is_plain(path)
    }


def _is_plain(path: Path) -> bool:
    if path.stem.removeprefix("test_") in _OTHERS or "_compat" in path.stem:
        return False
    text = path.read_text(encoding="utf-8")
    return not any(word in text for word in _MORE)


def __dir__():
    return [*globals(), *_modules()]


def __getattr__(name):
    if not name.startswith("test_") or name not in _modules():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .plain import tag

    return tag(import_module(_modules()[name]))
