#!/bin/sh
# Photographs and drawings that are not medical, from Debian packages, unpacked without installing.
# Usage: scripts/pictures.sh INTO   (needs apt-get, dpkg and python3; about 400 MB)
#
# tuxpaint-stamps-default          GPL-2+: photographs and drawings of animals and things
# lomiri-wallpapers-16.04, -20.04  CC BY 4.0, CC BY-SA, CC0: photographs
# mate-backgrounds                 GPL-2+, CC BY-SA 4.0: photographs and patterns
# openclipart-png                  public domain: drawings
# gcompris-qt-data                 GPL-3, CC BY-SA, public domain: photographs, paintings, drawings
set -eu
into=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$into"
for package in tuxpaint-stamps-default lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 \
    mate-backgrounds openclipart-png gcompris-qt-data; do
    [ -d "$package" ] && continue
    apt-get download "$package"
    dpkg -x "$package"_*.deb "$package"
    rm "$package"_*.deb
done

# GCompris keeps its WebP pictures one behind the other in Qt resource files.
python3 - <<'END'
import struct
from pathlib import Path

for resource in Path("gcompris-qt-data").rglob("*.rcc"):
    content, at = resource.read_bytes(), 0
    while (at := content.find(b"RIFF", at)) >= 0:
        size = struct.unpack("<I", content[at + 4 : at + 8])[0] + 8
        if content[at + 8 : at + 12] == b"WEBP" and size > 4000:
            resource.with_name(f"{resource.stem}-{at}.webp").write_bytes(content[at : at + size])
        at += 4
END
