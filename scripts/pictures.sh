#!/bin/sh
# Photographs, drawings, screens and plots that are not medical, from Debian packages, unpacked
# without installing. INTO/train/PACKAGE is to learn from, INTO/held-out/PACKAGE to measure on; no
# package is on both sides.
# Usage: scripts/pictures.sh INTO   (needs apt-get, dpkg and python3; about 700 MB)
#
# To learn from:
#   tuxpaint-stamps-default          GPL-2+: photographs and drawings of animals and things
#   lomiri-wallpapers-16.04, -20.04  CC BY 4.0, CC BY-SA, CC0: photographs
#   mate-backgrounds                 GPL-2+, CC BY-SA 4.0: photographs and patterns
#   openclipart-png                  public domain: drawings
#   gcompris-qt-data                 GPL-3, CC BY-SA, public domain: photographs, paintings, drawings
#   opencv-doc                       Apache-2.0, BSD: photographs, plots, processed images
#   gimp-help-en                     GFDL: screens, photographs
# To measure on:
#   pysiogame                        GPL-3+, pictures of art4apps CC BY-SA 3.0: photographs
#   gnome-backgrounds                CC BY-SA 3.0: renderings and patterns
#   ukui-wallpapers                  CC BY-SA 3.0: photographs and renderings
#   imagemagick-6-doc                ImageMagick licence: photographs, processed images
#   gnome-user-docs                  CC BY-SA 3.0: screens
set -eu
into=$(mkdir -p "$1" && cd "$1" && pwd)

fetch() {
    mkdir -p "$into/$1"
    cd "$into/$1"
    shift
    for package in "$@"; do
        [ -d "$package" ] && continue
        apt-get download "$package"
        dpkg -x "$package"_*.deb "$package.part"
        rm "$package"_*.deb
        mv "$package.part" "$package"
    done
}
fetch train tuxpaint-stamps-default lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 \
    mate-backgrounds openclipart-png gcompris-qt-data opencv-doc gimp-help-en
fetch held-out pysiogame gnome-backgrounds ukui-wallpapers imagemagick-6-doc gnome-user-docs

# Icons and formulae show next to nothing. Beside its photographs the game has its own buttons, and
# the guide has its screens in forty languages.
find "$into/train/opencv-doc" "$into/train/gimp-help-en" "$into/held-out" -type f -size -8k \
    \( -name '*.png' -o -name '*.jp*g' \) -delete
find "$into/held-out/pysiogame" -type f -name '*.??g' -not -path '*/art4apps/*' -delete
find "$into/held-out/gnome-user-docs" -name '*.??g' -not -path '*/C/*' -delete

# GCompris keeps its WebP pictures one behind the other in Qt resource files. Those of "lang" are left
# where they are: they are photographs of art4apps, which the other side has.
cd "$into/train"
python3 - <<'END'
import struct
from pathlib import Path

for resource in Path("gcompris-qt-data").rglob("*.rcc"):
    if resource.name == "lang.rcc":
        continue
    content, at = resource.read_bytes(), 0
    while (at := content.find(b"RIFF", at)) >= 0:
        size = struct.unpack("<I", content[at + 4 : at + 8])[0] + 8
        if content[at + 8 : at + 12] == b"WEBP" and size > 4000:
            resource.with_name(f"{resource.stem}-{at}.webp").write_bytes(content[at : at + size])
        at += 4
END
