#!/bin/sh
# Checks the system libraries that the wheels of VTK, slicer-core and PySide6 load, Pango for reports as PDF, and Xvfb for the run on a display.
# Installs the missing Debian packages as root; otherwise prints the command to type and exits with 1.
set -eu

# library or program : Debian package
needs="
libEGL.so.1:libegl1
libGL.so.1:libgl1
libGLX_mesa.so.0:libglx-mesa0
libOpenGL.so.0:libopengl0
libOSMesa.so.8:libosmesa6
libxkbcommon-x11.so.0:libxkbcommon-x11-0
libxcb-cursor.so.0:libxcb-cursor0
libxcb-icccm.so.4:libxcb-icccm4
libxcb-keysyms.so.1:libxcb-keysyms1
libxcb-image.so.0:libxcb-image0
libxcb-render-util.so.0:libxcb-render-util0
libxcb-shape.so.0:libxcb-shape0
libxcb-xinerama.so.0:libxcb-xinerama0
libXrender.so.1:libxrender1
libfontconfig.so.1:libfontconfig1
libdbus-1.so.3:libdbus-1-3
libpango-1.0.so.0:libpango-1.0-0
libpangoft2-1.0.so.0:libpangoft2-1.0-0
Xvfb:xvfb
xauth:xauth
"

if [ "$(uname -s)" != Linux ]; then
    echo "Only Linux needs system libraries for the Slicer harness: nothing to do."
    exit 0
fi

PATH="$PATH:/sbin:/usr/sbin"
libraries=$(ldconfig -p)
missing=""
for need in $needs; do
    name=${need%%:*}
    package=${need#*:}
    case $name in
        lib*) echo "$libraries" | grep -q "$name " || missing="$missing $package" ;;
        *) command -v "$name" >/dev/null || missing="$missing $package" ;;
    esac
done
# Mesa's drivers, and a font without which Qt draws boxes instead of letters
if ! ls /usr/lib/*/dri/swrast_dri.so >/dev/null 2>&1 && ! ls /usr/lib/*/libgallium*.so >/dev/null 2>&1; then
    missing="$missing libgl1-mesa-dri"
fi
ls /usr/share/fonts/truetype/*/*.ttf >/dev/null 2>&1 || missing="$missing fonts-dejavu-core"

if [ -z "$missing" ]; then
    exit 0
fi
command="apt-get install --yes --no-install-recommends$missing"
if ! command -v apt-get >/dev/null; then
    echo "Missing system libraries (Debian packages):$missing. Install what your system calls them." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Missing system libraries. Please type:" >&2
    echo "    sudo sh -c 'apt-get update && $command'" >&2
    exit 1
fi
echo "Installing:$missing"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive $command
