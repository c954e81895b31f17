# The commands a newcomer needs; `make help` lists them.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
PKGCONFIGDIR = $(LIBDIR)/pkgconfig
CMAKEDIR = $(LIBDIR)/cmake/pellucid
VERSION := 0.1.0
SONAME := libpellucid.so.0
SWIFT ?= swift
# The first Python that has NumPy; Debian's package serves the one in /usr/bin.
PYTHON ?= $(shell for p in python3 /usr/bin/python3; do $$p -c 'import numpy' 2> /dev/null && { echo $$p; exit; }; done; echo python3)
MODEL := Tests/Fixtures/models/efficientnet_lite0.onnx
PHOTOS := $(addprefix Tests/Fixtures/images/,chelsea.png space_shuttle.jpg squirrel_cls.jpg)
DEMO_METHODS := cam,grad-cam,layer-cam,eigen-cam,saliency,smoothgrad,integrated-gradients,guided-grad-cam,lrp,occlusion,rise,i-gos++,sag
C_SOURCES = $(shell find include Sources Tests docs -name '*.[ch]' -o -name '*.cpp' -o -name '*.inc' | grep -v '\.pb\.')

# sed that fills in a template's places, relative to the folder it will lie in: an installed tree may be moved.
relocatable = sed 's|@VERSION@|$(VERSION)|; s|@PREFIX@|$(shell realpath -m --relative-to=$(1) $(PREFIX))|; s|@LIBDIR@|$(shell realpath -m --relative-to=$(PREFIX) $(LIBDIR))|'

.DEFAULT_GOAL := build
.PHONY: demo build test install format check wheel sanitize fuzz bench clean help packages

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: build ## explain three photos by many methods, judge them, and say where the pictures are
	@mkdir -p demo
	build/pellucid explain $(MODEL) $(PHOTOS) --method $(DEMO_METHODS) --metric deletion,insertion \
	    --set rise:n_samples=1000 --set i-gos++:fast=true --set deletion:n_steps=25 --set insertion:n_steps=25 --preset lite \
	    --labels Tests/Fixtures/imagenet_classes.txt --output demo
	@echo "Open file://$(CURDIR)/demo/index.html"

build: packages ## build the library and the tool into build/
	$(SWIFT) build -c release --product pellucid
	$(SWIFT) build -c release --product pellucid-tool
	@mkdir -p build
	@bin=$$($(SWIFT) build -c release --show-bin-path) && \
	    install -m 755 $$bin/libpellucid.so build/libpellucid.so.$(VERSION) && \
	    install -m 755 $$bin/pellucid-tool build/pellucid
	@ln -sf libpellucid.so.$(VERSION) build/$(SONAME)
	@ln -sf $(SONAME) build/libpellucid.so

test: build ## run every suite; ends in "N passed, N failed"
	@.ci/packages test
	@PYTHON=$(PYTHON) SWIFT=$(SWIFT) $(PYTHON) .ci/test

install: ## copy library, tool, headers, man page, pkg-config and CMake files to PREFIX (below DESTDIR)
	@test -e build/$(SONAME) || { echo "run 'make build' first"; exit 1; }
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/include/pellucid $(PREFIX)/share/man/man1 $(PKGCONFIGDIR) $(CMAKEDIR))
	install -m 755 -s build/libpellucid.so.$(VERSION) $(DESTDIR)$(LIBDIR)/
	ln -sf libpellucid.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libpellucid.so
	install -m 755 -s build/pellucid $(DESTDIR)$(PREFIX)/bin/
	install -m 644 include/pellucid/*.h $(DESTDIR)$(PREFIX)/include/pellucid/
	install -m 644 bindings/cpp/pellucid.hpp $(DESTDIR)$(PREFIX)/include/
	$(if $(wildcard docs/man/*.1),install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/)
	@for name in pellucid.pc pellucid-backend.pc; do \
	    $(call relocatable,$(PKGCONFIGDIR)) pkgconfig/$$name.in > $(DESTDIR)$(PKGCONFIGDIR)/$$name; done
	@for name in pellucid-config.cmake pellucid-config-version.cmake; do \
	    $(call relocatable,$(CMAKEDIR)) pkgconfig/$$name.in > $(DESTDIR)$(CMAKEDIR)/$$name; done

format: ## rewrite the sources in the project's style
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests
	@if command -v clang-format > /dev/null; then clang-format -i $(C_SOURCES); else echo "clang-format is not installed: C left as it is"; fi

check: ## complain where the sources leave the project's style
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests
	@if command -v clang-format > /dev/null; then clang-format --dry-run -Werror $(C_SOURCES); fi

wheel: build ## build the Python wheel into dist/
	$(PYTHON) bindings/python/build_wheel.py dist

sanitize: build ## run the C and C++ test programs under AddressSanitizer, ThreadSanitizer and valgrind
	SWIFT=$(SWIFT) $(PYTHON) .ci/sanitize

fuzz: packages ## fuzz models, images and options with libFuzzer under AddressSanitizer
	SWIFT=$(SWIFT) Tests/Fuzz/fuzz

bench: build ## time a forward and an explanation
	PELLUCID_LIBRARY=build/$(SONAME) PYTHONPATH=bindings/python $(PYTHON) Tests/Bench/bench.py $(MODEL)

packages: # install what Debian packages are missing
	@.ci/packages

clean: ## remove what was built
	rm -rf .build build demo dist
