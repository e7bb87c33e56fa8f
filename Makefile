# Diffusion Lab. `make help` lists what there is. Needs GNU make and Python 3.11 or newer with pip.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg
# The chapters that run longest come first, so that the two workers finish together.
CHAPTERS := $(sort $(wildcard notebooks/*.ipynb))
LONGEST := $(wildcard $(addprefix notebooks/,05-mnist.ipynb 10-fewer-steps.ipynb 11-judging-samples.ipynb what-diffusion-is.ipynb 04-the-network.ipynb 03-s-curve.ipynb))
COURSE ?= course
LONGEST_FIRST := $(LONGEST) $(filter-out $(LONGEST),$(CHAPTERS))

# What a shell exports must not change what is installed, imported or tested.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTEST_ADDOPTS MPLBACKEND JUPYTER_PATH
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Notebooks run in notebooks/, so the data folder is named from the root of the disk.
ifneq ($(DIFFUSION_LAB_DATA),)
export DIFFUSION_LAB_DATA := $(shell cd "$(DIFFUSION_LAB_DATA)" 2>/dev/null && pwd || echo "$(DIFFUSION_LAB_DATA)")
endif

.PHONY: help book test test-with-data lab notebooks numbers place cover assignment assignments grade slides offline chapter clean
.DELETE_ON_ERROR:

help:  ## list the commands
	@echo "Diffusion Lab. Each command first installs what it needs into .venv (once, a few minutes)."
	@echo
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-18s %s\n' "$$name" "$$text"; done
	@echo
	@echo "  PYTHON=python3.13 after a command chooses the Python that a new .venv is made with."

# The stamp is written last: an install that was cut off leaves none, and the next call goes on with it.
$(READY): requirements.txt pyproject.toml
	@rm -f $@
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo not there)."; \
	    echo "If you have a newer one, name it: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up .venv: once, a few minutes. It takes 2 GB, and on Linux 5.5 GB where pip brings the CUDA build of"
	@echo "PyTorch. For the smaller CPU build: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -r requirements.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

book: $(READY)  ## render the book and say where it is; EDITION=student leaves the solutions out
ifeq ($(EDITION),student)
	@$(BIN)/python book/tools/student.py
else ifneq ($(EDITION),)
	@echo 'EDITION: expected student, or nothing for the full book; got "$(EDITION)"'; exit 1
else
	@$(BIN)/jupyter-book build . -q
endif

test: export OMP_NUM_THREADS := 1
test: export MKL_NUM_THREADS := 1
test: export IPYTHONDIR := $(CURDIR)/.venv/ipython
test: $(READY)  ## check everything: style, the book, the unit tests, every notebook
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo --no-cache
	rm -rf _build/test
	$(BIN)/jupyter-book build . -q -W -n --keep-going --path-output _build/test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --durations 15 $(NBVAL) $(LONGEST_FIRST) tests

test-with-data: export OMP_NUM_THREADS := 1
test-with-data: export MKL_NUM_THREADS := 1
test-with-data: export IPYTHONDIR := $(CURDIR)/.venv/ipython
test-with-data: $(READY)  ## run again what uses MNIST, with the copy that DIFFUSION_LAB_DATA names
	@$(BIN)/python -c 'import sys; from diffusion_lab import datasets as d; sys.exit(not d.has_mnist())' || { \
	    echo "There is no good copy of MNIST in $${DIFFUSION_LAB_DATA:-the cache}."; exit 1; }
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(NBVAL) \
	    $(shell grep -l 'datasets.mnist' $(LONGEST_FIRST)) tests/test_judge.py tests/test_cli.py

lab: $(READY)  ## open the chapters in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir notebooks

notebooks: export IPYTHONDIR := $(CURDIR)/.venv/ipython
notebooks: $(READY)  ## run every chapter again and store its outputs
	@$(BIN)/python book/tools/execute.py

numbers: $(READY)  ## number equations, figures and exercises in order, and all that names them
	@$(BIN)/python book/tools/number.py

place: $(READY)  ## carry the project's address from pyproject.toml to every file that repeats it
	@$(BIN)/python book/tools/place.py

cover: $(READY)  ## draw the cover, the logo, the icon and the numerals of the chapters again
	@$(BIN)/python book/tools/cover.py

assignment: $(READY)  ## write the student's notebook of a chapter: CHAPTER=06-closed-forms
	@test -n "$(CHAPTER)" || { echo "Which one? make assignment CHAPTER=06-closed-forms"; exit 1; }
	@$(BIN)/python book/tools/release.py --course $(COURSE) $(CHAPTER)

assignments: $(READY)  ## write the students' notebooks of all chapters
	@$(BIN)/python book/tools/release.py --course $(COURSE)

grade: $(READY)  ## grade a folder of submissions: SUBMISSIONS=folder
	@test -n "$(SUBMISSIONS)" || { echo "Which ones? make grade SUBMISSIONS=folder"; exit 1; }
	@$(BIN)/python book/tools/grade.py --course $(COURSE) "$(SUBMISSIONS)"

slides: $(READY)  ## make slides of a chapter: CHAPTER=06-closed-forms
	@test -n "$(CHAPTER)" || { echo "Which one? make slides CHAPTER=06-closed-forms"; exit 1; }
	@$(BIN)/python book/tools/slides.py "$(CHAPTER)"

offline: $(READY)  ## write a folder for a classroom without internet; SYSTEMS="linux windows mac" PYTHONS="3.12 3.13"
	@$(BIN)/python book/tools/offline.py $(if $(SYSTEMS),--systems $(SYSTEMS)) $(if $(PYTHONS),--pythons $(PYTHONS)) \
	    $(if $(BOOK),--book "$(BOOK)") $(if $(NOTEBOOKS),--notebooks "$(NOTEBOOKS)")

chapter: $(READY)  ## begin a new chapter: NAME=12-guidance PART="V · Steer it"
	@test -n "$(NAME)" || { echo 'Which name? make chapter NAME=12-guidance PART="V · Steer it"'; exit 1; }
	@$(BIN)/python book/tools/new_chapter.py "$(NAME)" "$(PART)"

clean:  ## remove what the commands made: .venv, _build and caches
	rm -rf .venv _build build diffusion_lab.egg-info .pytest_cache .ruff_cache .hypothesis jupyter_execute
	find . -name __pycache__ -not -path './.git/*' -type d -prune -exec rm -rf {} +
