"""The frameworks' own operators, judged: right, or wrong in the way that is known."""

import dataclasses
import json

import libraries
import numpy as np
import pytest

import refnorm
from refnorm.__main__ import main
from refnorm.peers import FRAMEWORKS, KNOWN, absent, peers

QUICK = {"lp_normalize", "rms_norm", "softmax"}  # of Keras, which compiles for every shape: seconds each, and others 20
ALL = [(framework, peer) for framework in FRAMEWORKS if not absent(framework) for peer in peers(framework)]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_that_is_not_installed_is_said(framework):
    if missing := absent(framework):
        pytest.skip(f"{missing[0]} is not installed")
    assert [peer for name, peer in ALL if name == framework]


def slow_ones_full(pairs):
    slow = [framework == "keras" and peer.operator not in QUICK for framework, peer in pairs]
    return [pytest.param(*pair, marks=[pytest.mark.full] * one) for pair, one in zip(pairs, slow, strict=True)]


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.full)], ids=["one dtype", "every dtype"])
@pytest.mark.parametrize(("framework", "peer"), slow_ones_full(ALL), ids=lambda v: getattr(v, "operator", v))
def test_a_peer_is_as_known(framework, peer, every):
    """In one dtype, for most of the time goes into compiling for each."""
    if not every:
        peer = dataclasses.replace(peer, dtypes=peer.dtypes[:1])
    report = peer.judged(seed=1)
    assert report.enough
    assert peer.is_as_known(report), (report.verdict, report.worst)


def test_what_is_known_is_of_peers_there_are():
    there = {(framework, peer.operator) for framework, peer in ALL}
    assert {key for key in KNOWN if not absent(key[0])} <= there


def test_a_mended_peer_is_noticed():
    for framework, peer in ALL:
        if (framework, peer.operator) in KNOWN:
            right = refnorm.check(refnorm.OPERATORS[peer.operator].function, peer.operator, seed=1)
            assert not peer.is_as_known(right)


def test_the_command_prints_a_verdict_for_each(capsys):
    if not libraries.present("torch"):
        pytest.skip("torch is not installed")
    known = [op for f, op in KNOWN if f == "torch"]
    asked = [word for name in ["rms_norm", *known] for word in ("--operator", name)]
    assert main(["peers", "torch", *asked, "--seed", "1", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [one["operator"] for one in said if not one["conforms"]] == known
    assert {one["operator"] for one in said} == {"rms_norm", *known}
    assert main(["peers", "torch", "--operator", "no_norm"]) == 2
    assert "no_norm" in capsys.readouterr().err
    assert main(["peers", "torch", "--operator", "evonorm"]) == 2
    assert "no framework that is asked and installed has evonorm" in capsys.readouterr().err
    assert main(["peers", "tensorflow"]) == 2
    assert "no framework 'tensorflow'" in capsys.readouterr().err


def test_keras_pools_decline_what_keras_has_not():
    if absent("keras"):
        pytest.skip("keras is not installed")
    from refnorm.peers import keras

    with pytest.raises(NotImplementedError, match="valid"):
        keras.avg_pool(np.ones((1, 1, 4), "float32"), window=2, padding=1)
