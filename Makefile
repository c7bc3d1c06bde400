# Every target makes .venv first if it is missing or out of date (book/_tools/setup.sh).
PY := .venv/bin/python

.PHONY: book test lab refresh portable student bench mutants lock clean

book: venv  ## run the notebooks that are stale, then build the pages into _build/html
	@$(PY) book/_tools/build.py

test: venv  ## unit tests and doctests, every notebook against its stored numbers, then the built pages
	@$(PY) book/_tools/test.py

lab: venv  ## open the notebooks in JupyterLab
	@$(PY) -m jupyter lab notebooks

refresh: venv  ## re-record the outputs stored in the notebooks
	@$(PY) book/_tools/refresh.py

portable: venv  ## compare the notebooks' numbers as if on other machines
	@$(PY) book/_tools/portable.py

student: venv  ## copies of the notebooks with the solutions taken out, in _build/student
	@$(PY) book/_tools/student.py

bench: venv  ## the speed comparisons, as ratios measured in one run
	@$(PY) tests/benchmarks/run.py

mutants: venv  ## what the tests of the code that certifies do not notice (half an hour)
	@$(PY) book/_tools/mutants.py

lock: venv  ## resolve requirements.lock anew (needs uv)
	@sh book/_tools/lock.sh

clean:                ## remove what a build made (not .venv)
	rm -rf _build

.PHONY: venv
venv:
	@bash book/_tools/setup.sh
