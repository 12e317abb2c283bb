# pgdeck: build, test, install. "make help" lists what there is.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

.PHONY: help demo test bench install fmt lint clean release

help:
	@echo 'make demo     build and open the console on a throw-away instance'
	@echo 'make test     fetch PostgreSQL 13 to 18 once, build, run every test'
	@echo 'make bench    measure console, backups and recovery beside their peers'
	@echo 'make install  install program, man pages and completions (PREFIX=$(PREFIX), DESTDIR)'
	@echo 'make fmt      format the sources'
	@echo 'make lint     check format and lints'
	@echo 'make clean    remove what was built and what failed tests have kept'

# Whatever may ask for a password or fail comes before the long build.
demo:
	@tests/need-cargo.sh '$(CARGO)'
	@tests/install-postgresql.sh
	@$(MAKE) --no-print-directory release
	target/release/pgdeck demo

release:
	@tests/need-cargo.sh '$(CARGO)'
	$(CARGO) build --locked --release -p pgdeck

test:
	@tests/need-cargo.sh '$(CARGO)'
	tests/majors.sh
	@tests/run.sh '$(CARGO)'

bench: release
	tests/bench/run.sh

install:
	@CARGO='$(CARGO)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tests/install.sh

fmt:
	$(CARGO) fmt --all

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

clean:
	$(CARGO) clean
	@for place in /tmp/pgt-*; do if [ -e "$$place/kept" ]; then rm -rf "$$place"; fi; done
