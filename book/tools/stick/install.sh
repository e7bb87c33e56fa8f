#!/bin/sh
# Installs Diffusion Lab from the folder that this file is in, without internet, and opens it in JupyterLab.
#
#   sh install.sh [--no-open] [FOLDER]        FOLDER is diffusion-lab in your home folder if you name none
#
# Run it again after an interruption, or when the stick has new notebooks: it keeps the notebooks that you have.
set -eu
unset PYTHONPATH PYTHONHOME

stick=$(cd "$(dirname "$0")" && pwd)
open=yes
if [ "${1:-}" = --no-open ]; then open=no; shift; fi
folder=${1:-$HOME/diffusion-lab}

case ", @MACHINES@," in
*", $(uname -sm),"*) ;;
*) echo "This stick has wheels for @MACHINES@. This machine is $(uname -sm)."; exit 1 ;;
esac

python=
for name in ${PYTHON:+"$PYTHON"} @PYTHON_NAMES@ python3; do
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " @VERSIONS@ " in *" $version "*) python=$name; break ;; esac
done
if [ -z "$python" ]; then
    echo "The wheels here are for Python @VERSIONS@, and none of these was found."
    echo "If it is somewhere else, name it:  PYTHON=/path/to/python3 sh install.sh"
    echo "START-HERE.txt says where to get it."
    exit 1
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
    echo "$python cannot make virtual environments. On Debian and Ubuntu the package python$version-venv is missing."
    exit 1
}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
echo "Installing into $folder with Python $version. This takes a few minutes."
ours=$folder/.venv/bin/python
pip="-m pip --isolated --quiet --disable-pip-version-check"
# An environment that was cut off, or that another version of Python made, is made again.
if [ "$("$ours" -c 'import pip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
    "$ours" $pip uninstall -y diffusion-lab # the stick may have a newer one of the same version
else
    "$python" -m venv --clear "$folder/.venv"
fi
"$ours" $pip install --no-index --find-links "$stick/wheels" "diffusion-lab[notebooks]"

for part in data book; do
    [ -d "$stick/$part" ] || continue
    rm -rf "$folder/$part.part"
    cp -R "$stick/$part" "$folder/$part.part"
    rm -rf "${folder:?}/$part"
    mv "$folder/$part.part" "$folder/$part"
done
(cd "$stick/notebooks" && find . -type f) | while IFS= read -r file; do
    [ -e "$folder/notebooks/$file" ] && continue
    mkdir -p "$(dirname "$folder/notebooks/$file")"
    cp "$stick/notebooks/$file" "$folder/notebooks/$file.part"
    mv "$folder/notebooks/$file.part" "$folder/notebooks/$file"
done

cat > "$folder/start.sh" <<'END'
#!/bin/sh
# Opens Diffusion Lab in JupyterLab:  sh start.sh
unset PYTHONPATH PYTHONHOME
cd "$(dirname "$0")" || exit 1
if [ -d data ]; then DIFFUSION_LAB_DATA=$PWD/data; export DIFFUSION_LAB_DATA; fi
exec .venv/bin/python -m jupyterlab --notebook-dir notebooks "$@"
END

echo "Done. The book is $folder/book/index.html."
echo "To open the notebooks another day:  sh \"$folder/start.sh\""
if [ $open = yes ]; then exec sh "$folder/start.sh"; fi
