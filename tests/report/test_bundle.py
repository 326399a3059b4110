"""The page's modules: joined in order, checked on the way."""

from importlib.resources import files

import pytest

from harness.report import bundle as module
from harness.report.bundle import MODULES, bundle

PAGE = files("harness.report") / "page"


def test_every_module_is_in_the_bundle_once():
    names = {path.name.removesuffix(".js") for path in PAGE.iterdir() if path.name.endswith(".js")}
    assert names == set(MODULES)
    assert len(MODULES) == len(set(MODULES))


def test_nothing_of_the_module_syntax_is_left():
    lines = bundle().splitlines()
    assert not [line for line in lines if line.startswith(("import ", "export "))]


def test_the_scripts_do_nothing_that_turns_text_into_markup_or_code():
    text = bundle()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in text
    for way in ("fetch(", "XMLHttpRequest", "WebSocket", "new Function", "http:", "https:"):
        assert way not in text.replace("http://www.w3.org/2000/svg", "")


def test_modules_are_small():
    assert all(len((PAGE / f"{name}.js").read_text().splitlines()) < 260 for name in MODULES)


def test_a_wrong_order_is_refused():
    with pytest.raises(ValueError, match=r"dom\.js imports FOLD, which text\.js lacks"):
        bundle(("dom", "text"))


def test_two_uses_of_a_name_are_refused():
    with pytest.raises(ValueError, match="both use the name FOLD"):
        module._check_names("b", "const FOLD = 1;\n", {"FOLD": "a"})
