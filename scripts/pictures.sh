#!/bin/sh
# Photographs and drawings that are not medical, from Debian packages, unpacked without installing.
# Usage: scripts/pictures.sh INTO   (needs apt-get and dpkg; about 340 MB)
#
# tuxpaint-stamps-default          GPL-2+, photographs and drawings of things and animals
# lomiri-wallpapers-16.04, -20.04  CC BY 4.0, CC BY-SA, CC0: photographs
# mate-backgrounds                 GPL-2+, CC BY-SA 4.0: photographs and patterns
# openclipart-png                  public domain: drawings
set -eu
into=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$into"
for package in tuxpaint-stamps-default lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 \
    mate-backgrounds openclipart-png; do
    [ -d "$package" ] && continue
    apt-get download "$package"
    dpkg -x "$package"_*.deb "$package"
    rm "$package"_*.deb
done
