"""Theme: what all charts have in common. Colors are custom properties of the page, so that charts follow its theme.

Imports the type of a specification.
"""

from bench.leaderboard.charting import Spec

THEME: Spec = {
    "background": "transparent",
    "font": "sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--line)",
        "gridColor": "var(--hair)",
        "labelColor": "currentColor",
        "labelFontSize": 13,
        "tickColor": "var(--line)",
        "titleColor": "currentColor",
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": "currentColor",
        "labelFontSize": 13,
        "titleColor": "currentColor",
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "orient": "top",
        "symbolStrokeWidth": 2,
    },
    "text": {"color": "currentColor", "fontSize": 13},
}
