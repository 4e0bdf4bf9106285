import importlib
import inspect
import re

from podwire.insight.doctor import rules
from podwire.insight.doctor.report import Rule
from podwire.insight.doctor.rules import CHECKS, RULES
from tools import doctor_reference

CHECKING = ("machine_checks", "access_checks", "cluster_checks", "gateway_checks", "mesh_checks")


def test_the_page_has_what_the_checks_find() -> None:
    shown = doctor_reference.TARGET.read_text()
    assert shown == doctor_reference.page(), "run: python -m tools.doctor_reference"


def test_every_finding_belongs_to_a_check_and_every_check_has_one() -> None:
    assert {rule.check for rule in RULES} == set(CHECKS)


def test_every_rule_is_used_by_a_check() -> None:
    modules = [importlib.import_module(f"podwire.insight.doctor.{name}") for name in CHECKING]
    used = {name for module in modules for name in re.findall(r"rules\.([A-Z_]+)", inspect.getsource(module))}
    assert {name for name, value in vars(rules).items() if isinstance(value, Rule)} == used
