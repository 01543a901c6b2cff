# Two commands for a fresh clone. All they need is Python 3.11 or newer with pip and venv, and no root.
#
#   make test   every check of the repository; CI=true installs what is optional and fails when it cannot
#   make demo   a real workflow through a server that has none of its packages

PYTHON ?= $(shell command -v python3.11 || command -v python3)
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit("Covalent needs Python 3.11 or newer; run make PYTHON=<path>" if sys.version_info < (3, 11) else 0)'
READY := .make/venv/.ready
# A recipe starts with this, so that it finds nox and uv.
TOOLS := export PATH="$(CURDIR)/.make/venv/bin:$$PATH";

.PHONY: help test demo clean

help:
	@sed -n '/^#   make/s/^# *//p' Makefile

$(READY): .ci/requirements.txt
	@$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .make/venv
	.make/venv/bin/python -m pip install --quiet --disable-pip-version-check -r .ci/requirements.txt
	@touch $(READY)

test: $(READY)
	@$(TOOLS) python -m tests.components $(if $(filter true,$(CI)),--install) && \
	{ nox; code=$$?; python -m tests.components; exit $$code; }

demo:
	@$(NEW_ENOUGH)
	@$(PYTHON) examples/demo

clean:
	rm -rf .make .nox dist docs/_build
