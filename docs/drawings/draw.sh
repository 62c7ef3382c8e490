#!/usr/bin/env bash
# Draws docs/drawings/*.dot as SVG that is readable on light and dark pages. Needs graphviz.
set -euo pipefail
cd "$(dirname "$0")"
style='<style>text{fill:#1f2328}path,polygon,ellipse{stroke:#59636e;fill:none}.edge polygon{fill:#59636e}@media (prefers-color-scheme:dark){text{fill:#e6edf3}path,polygon,ellipse{stroke:#9198a1}.edge polygon{fill:#9198a1}}</style>'
for dot in *.dot; do
  # By its own text a drawing is known to be of today: a test compares the sums.
  sum=$(sha256sum "$dot" | cut -c1-16)
  dot -Tsvg -Gbgcolor=transparent "$dot" | sed -E -e '/^<!--|^ *-->|^<\?xml|^<!DOCTYPE|^ "http/d' -e 's/ (fill|stroke)="[a-z]+"//g' \
    -e "0,/<g /s|<g |<!-- $dot $sum -->\n$style\n<g |" > "${dot%.dot}.svg"
done
