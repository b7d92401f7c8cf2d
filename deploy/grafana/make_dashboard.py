"""Prints the Grafana dashboard: `python make_dashboard.py > m5-dashboard.json`."""

import json
import sys

BY = '{instance=~"$instance", service=~"$service"}'
LEGEND = "{{service}} {{slot}}"
PAUSES = "sum by (service, slot, le) (rate(gc_pause_duration_seconds_bucket" + BY + "[5m]))"

# title, unit, [(expression, legend)], alert line or None
PANELS = [
    ("Resident memory", "bytes", [
        ("process_memory_rss_bytes" + BY, LEGEND),
        ("m5_floor_bytes" + BY, LEGEND + " floor"),
    ], 60 * 1024 * 1024),
    ("Growth of the floor (MB a minute)", "none", [("memory_growth_rate_mb_per_minute" + BY, LEGEND)], 0.5),
    ("Verdict (1 = it holds)", "none", [
        ("m5_growth_verdict" + BY + " == 1", LEGEND + " {{verdict}}"),
    ], None),
    ("Floor in 24 h", "bytes", [("m5_forecast_24h_bytes" + BY, LEGEND + " {{bound}}")], None),
    ("GC pause P95", "s", [("histogram_quantile(0.95, " + PAUSES + ")", LEGEND)], 0.1),
    ("GC pause P99", "s", [("histogram_quantile(0.99, " + PAUSES + ")", LEGEND)], None),
    ("Time spent in GC", "percentunit", [
        ("sum by (service, slot) (rate(gc_pause_duration_seconds_sum" + BY + "[5m]))", LEGEND),
    ], None),
    ("Collections a second", "ops", [
        ("rate(gc_collections_by_generation_total" + BY + "[5m])", LEGEND + " gen {{generation}}"),
    ], None),
    ("Open descriptors", "none", [
        ("process_open_fds" + BY, LEGEND), ("m5_open_fds" + BY, LEGEND + " {{kind}}"),
    ], 800),
    ("Connections by state", "none", [("m5_connections" + BY, LEGEND + " {{state}}")], None),
    ("CPU", "percentunit", [("rate(process_cpu_seconds_total" + BY + "[5m])", LEGEND)], None),
    ("Cgroup memory against its limit", "percentunit", [
        ("m5_cgroup_memory_bytes" + BY + " / on (instance, service, slot) m5_memory_limit_bytes", LEGEND),
    ], 0.9),
]  # fmt: skip


def panel(index, title, unit, targets, alert):
    """One time series; two stand side by side."""
    steps = [{"color": "green", "value": None}]
    if alert is not None:
        steps.append({"color": "red", "value": alert})
    style = "off" if alert is None else "line"
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (index % 2), "y": 8 * (index // 2)},
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": None if "Growth" in title else 0,
                "custom": {"thresholdsStyle": {"mode": style}, "spanNulls": False},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(65 + i), "expr": expr, "legendFormat": legend}
            for i, (expr, legend) in enumerate(targets)
        ],
    }


def variable(name, label):
    """A filter at the top of the page, filled from the label's values."""
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": f"label_values(process_memory_rss_bytes, {label})",
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def dashboard():
    """The whole document."""
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": "m5-memory-gc",
        "title": "m5: memory and GC of Python services",
        "tags": ["m5", "python"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, variable("instance", "instance"), variable("service", "service")]},
        "panels": [panel(i, *p) for i, p in enumerate(PANELS)],
    }


json.dump(dashboard(), sys.stdout, indent=1, ensure_ascii=False)
sys.stdout.write("\n")
