# make demo   brings up a small shop, proves its policies with real packets, takes it down
# make test   everything that must hold, in under 6 minutes on 2 cores
# make conformance FOCUS=DNS   Kubernetes' own tests against a world (conformance/README.md), or against `make cluster` with CLUSTER=real
# make cluster   a real Kubernetes of two nodes on this machine with podwire as its network (docs/how-to/real-cluster.md)

# What Python compiles is kept, whatever the environment says: the tests start Python hundreds of times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long suite check bench conformance cluster cluster-down cluster-proof image lock clean
SOURCES := requirements.lock pyproject.toml tools/setup.sh tools/peers.sh tools/uv.lock tools/clients.lock tests/clients/node/package-lock.json \
	$(wildcard src/podwire-cni/*)

demo: .venv/ready-run
	.venv/bin/podwire demo

test: .venv/ready-test
	$(MAKE) -j 2 suite check

# Beside `check`, whose programs take one core.
suite: .venv/ready-test
	.venv/bin/python -m pytest -q -p tests.workers --workers 3 -m "not long"

test-long: .venv/ready-test
	sh tools/peers.sh musl-dev
	.venv/bin/pytest -q -m long
	PODWIRE_THOROUGH=1 .venv/bin/pytest -q -m "hypothesis and not long"

check: .venv/ready-test
	.venv/bin/ruff format --check -q .
	.venv/bin/ruff check -q .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/python -m tools.size_budget

bench: .venv/ready-test
	sh tools/peers.sh nginx wrk libluajit-5.1-2 haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
	sh tools/peers.sh dnsperf libldns3 knot libknot13 libdnssec9 libzscanner4 liburcu8 libxdp1
	.venv/bin/python -m bench

# FOCUS and SKIP are regular expressions of test names, PROCS is how many tests run at the same time. SUITE=gateway is Gateway API's, SUITE=mesh its profiles of a mesh, SUITE=policy network-policy-api's.
ONE_SUITE = $(if $(filter gateway mesh policy,$(SUITE)),tools.conformance.$(SUITE),$(if $(filter real,$(CLUSTER)),tools.cluster suite,tools.conformance))
conformance: .venv/ready-run
	.venv/bin/python -m $(ONE_SUITE) --focus '$(FOCUS)' --skip '$(SKIP)' --procs $(or $(PROCS),4) $(if $(CHANNEL),--channel $(CHANNEL)) \
		$(if $(filter gatewayreal,$(SUITE)$(CLUSTER)),--cluster cluster)

# It stays until `make cluster-down`.
cluster: image
	.venv/bin/python -m tools.cluster up --shop

cluster-down: .venv/ready-run
	.venv/bin/python -m tools.cluster down

# Some 40 minutes; writes docs/reference/cluster.md.
cluster-proof: image
	.venv/bin/python -m tools.cluster prove --name proof

# dist/podwire-VERSION-MACHINE.oci.tar and podwire-gateway-... for container runtimes (docs/reference/image.md)
image: .venv/ready-run
	.venv/bin/python -m tools.image

lock: .venv/ready-test
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --group dev --all-extras --generate-hashes --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf .venv tests/clients/node/node_modules .mypy_cache .ruff_cache .pytest_cache

.venv/ready-%: $(SOURCES)
	sh tools/setup.sh $*
