"""Plans with something changed, wherever it stands."""

from busgen.factory.plan import Plan, Resolution


def changed(plan: Plan, **changes) -> Plan:
    resolved = {name: value for name, value in changes.items() if name in Resolution.model_fields}
    request = {name: value for name, value in changes.items() if name not in resolved}
    return Plan(
        plan.request.model_copy(update=request), plan.resolution.model_copy(update=resolved)
    )
