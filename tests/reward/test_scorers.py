"""Section 3.6: eq. 5 and eq. 6, the pair features, the filters, and checkpoints on disk."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from mmedrag import presets
from mmedrag.errors import CheckpointError, QueryError, UntrainedError
from mmedrag.presets import build, offline_encoders
from mmedrag.reward.checkpoint import load_reward, save_reward
from mmedrag.reward.pair_features import FEATURES, embedding_features, pair_features
from mmedrag.reward.scorers import (
    Calibration,
    ContextScorer,
    KeepAll,
    PairScorer,
    RewardFilter,
    RewardHead,
    SimilarityThreshold,
    preference_loss,
    sigmoid,
)
from mmedrag.testing.context_filter import ContextFilterContract, question
from mmedrag.testing.reranker import evidence_list
from mmedrag.types import (
    Assertion,
    Case,
    Definition,
    Domain,
    Evidence,
    Intent,
    Kind,
    Mention,
    QuestionKind,
)

DIM = 6
NO = Assertion.NEGATED


def f32(*values):
    return np.array(values, dtype=np.float32)


def mention(concept, assertion=Assertion.AFFIRMED):
    return Mention(concept, 0, len(concept), concept, concept, assertion)


def case(key="C1", text="", similarity=0.5, affirmed=(), negated=(), domain=None):
    said = [mention(c) for c in affirmed] + [mention(c, Assertion.NEGATED) for c in negated]
    item = Case(id=key, text=text, domain=domain)
    return Evidence(key, item, f32(*[0.0] * DIM), similarity, similarity, tuple(said))


def definition(concept, key="D1", similarity=0.1, text=""):
    item = Definition(concept, concept, text, "test")
    return Evidence(key, item, f32(*[0.0] * DIM), similarity, similarity)


def letters(texts):
    """A text encoder that counts letters: shape (n, 2)."""
    return np.array([[t.count("a"), t.count("b")] for t in texts], dtype=np.float32)


def linear_head(**weights):
    assert set(weights) <= set(FEATURES)
    return RewardHead(f32(*[weights.get(name, 0.0) for name in FEATURES]), 0.0)


def random_head(width, hidden=4, seed=0):
    rng = np.random.default_rng(seed)
    return RewardHead(
        rng.normal(size=hidden).astype(np.float32),
        0.25,
        rng.normal(size=(hidden, width)).astype(np.float32),
        rng.normal(size=hidden).astype(np.float32),
    )


# Eq. 5


def test_eq_5_by_hand():
    head = RewardHead(
        output=f32(2, -1), bias=0.5, hidden=f32([1, 0], [0.5, 1]), hidden_bias=f32(0, -1)
    )
    scorer = ContextScorer(letters, head)
    rewards = scorer.score(question(), [case(text="aab"), case(text="")])
    # h = (2, 1): z = (tanh 2, tanh(0.5·2 + 1 − 1)) = (tanh 2, tanh 1)
    # h = (0, 0): z = (tanh 0, tanh −1)
    expected = [2 * math.tanh(2) - math.tanh(1) + 0.5, -math.tanh(-1) + 0.5]
    assert rewards == pytest.approx([1 / (1 + math.exp(-x)) for x in expected])


def test_the_papers_scorer_does_not_see_the_question():
    scorer = ContextScorer(letters, random_head(2))
    contexts = [case(text="abba"), case(text="b")]
    one = scorer.score(question("effusion", ("effusion",)), contexts)
    assert one.tolist() == scorer.score(question("drusen", image="x.png"), contexts).tolist()


@given(st.floats(-1e6, 1e6))
def test_sigmoid_stays_in_its_range(x):
    assert 0.0 <= sigmoid(x) <= 1.0
    assert sigmoid(-x) == pytest.approx(1.0 - sigmoid(x))


def test_calibration_keeps_the_order():
    logits = np.linspace(-5, 5, 11)
    calibrated = Calibration(scale=0.5, shift=1.0)(logits)
    assert calibrated == pytest.approx(sigmoid(0.5 * logits + 1.0))
    assert (np.diff(calibrated) > 0).all()


@pytest.mark.parametrize("values", [(0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (1.0, math.inf)])
def test_a_calibration_that_turns_or_loses_the_order_is_refused(values):
    with pytest.raises(CheckpointError, match="calibration"):
        Calibration(*values)


@pytest.mark.parametrize(
    "parts",
    [
        (f32([1, 2]), 0.0),
        (f32(1), math.nan),
        (f32(1, math.inf), 0.0),
        (f32(1, 2), 0.0, f32([1, 2])),
        (f32(1, 2), 0.0, f32([1, 2], [3, 4]), f32(1)),
        (f32(1, 2), 0.0, f32([1, 2]), f32(1, 2)),
        (f32(1, 2), 0.0, None, f32(1, 2)),
        (np.float32(1), 0.0),
    ],
)
def test_a_head_of_parts_that_do_not_fit_is_refused(parts):
    with pytest.raises(CheckpointError, match="reward weights"):
        RewardHead(*parts)


def test_an_encoder_of_another_width_is_named():
    scorer = ContextScorer(letters, random_head(768))
    with pytest.raises(CheckpointError, match="takes 768 numbers a context and was given 2"):
        scorer.score(question(), [case()])


# Eq. 6


def test_eq_6_by_hand():
    assert preference_loss(0.0, 0.0) == pytest.approx(math.log(2))
    assert preference_loss([3.0, 0.0], [1.0, 2.0]) == pytest.approx(
        [math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))]
    )


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_the_papers_loss_cannot_fall_below_0_313(i, j):
    """On σ outputs the largest difference is 1: −log σ(1) = 0.3133."""
    floor = -math.log(1 / (1 + math.exp(-1)))
    assert floor == pytest.approx(0.3133, abs=1e-4)
    assert preference_loss(sigmoid(i), sigmoid(j)) >= floor - 1e-12


def test_the_loss_on_logits_vanishes():
    assert preference_loss(40.0, -40.0) < 1e-30
    assert preference_loss(-40.0, 40.0) == pytest.approx(80.0)


# Pair features


def features(asked, e):
    values = pair_features(asked, [e])
    assert values.shape == (1, len(FEATURES))
    return dict(zip(FEATURES, values[0].tolist(), strict=True))


def test_similarity_is_that_of_stage_1():
    assert features(question(), case(similarity=-0.25))["similarity"] == -0.25


def test_token_overlap_by_hand():
    found = features(
        question("Is there a pleural effusion of the left lung?"),
        case(text="Pleural effusions. No opacities."),
    )
    # stems: pleural, effusion, left, lung | pleural, effusion, opacity
    assert found["token_overlap"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("opacity", "opacities"),
        ("metastasis", "metastases"),
        ("masses", "mass"),
        ("disease", "diseases"),
        ("oedema", "edema"),
        ("haemorrhage", "hemorrhages"),
        ("kidney", "kidneys"),
    ],
)
def test_plural_and_spelling_do_not_matter(one, other):
    assert features(question(one), case(text=other))["token_overlap"] == 1.0


@pytest.mark.parametrize(
    ("one", "other"), [("left", "right"), ("sinus", "sinew"), ("mass", "mast"), ("of", "of")]
)
def test_other_words_are_others(one, other):
    assert features(question(one), case(text=other))["token_overlap"] == 0.0


def test_bigram_overlap_by_hand():
    found = features(question("ring enhancing lesion"), case(text="An enhancing lesion, a ring."))
    # ring enhanc, enhanc lesion | enhanc lesion, lesion ring
    assert found["bigram_overlap"] == pytest.approx(1 / 2)
    assert features(question("lesion"), case(text="lesion"))["bigram_overlap"] == 0.0


@pytest.mark.parametrize(
    ("routed", "domain", "expected"),
    [
        (Domain.RADIOLOGY, Domain.RADIOLOGY, 1),
        (Domain.RADIOLOGY, Domain.PATHOLOGY, -1),
        (None, Domain.PATHOLOGY, 0),
        (Domain.RADIOLOGY, None, 0),
    ],
)
def test_domain_match(routed, domain, expected):
    assert features(question(domain=routed), case(domain=domain))["domain_match"] == expected


@pytest.mark.parametrize(
    ("text", "modality", "expected"),
    [
        ("CT of the chest", "ct", 1),
        ("MRI brain", "mri", 1),
        ("CXR: effusion", "X-ray", 1),
        ("chest radiograph", "xray", 1),
        ("MRI brain", "ct", -1),
        ("effusion", "ct", 0),
        ("CT of the chest", "", 0),
        ("tell us about effusion", "ultrasound", 1),
    ],
)
def test_modality_match(text, modality, expected):
    found = replace(case(), item=Case(id="1", modality=modality))
    assert features(question(text), found)["modality_match"] == expected


def test_findings_shared_counts_what_both_affirm():
    asked = question("", ("effusion", "fever"), negated=("mass",))
    found = case(affirmed=("effusion", "mass", "fracture"), negated=("fever",))
    assert features(asked, found)["findings_shared"] == pytest.approx(1 / 2)
    assert features(asked, case())["findings_shared"] == 0.0
    assert features(asked, definition("fever"))["findings_shared"] == 1.0
    assert features(asked, definition("mass"))["findings_shared"] == 0.0


def test_what_is_sought_and_what_is_excluded():
    asked = question("", ("effusion", "fever"), negated=("mass", "nodule"))
    found = features(asked, case(affirmed=("effusion", "mass"), negated=("fever", "nodule")))
    for name in ("sought_affirmed", "sought_ruled_out", "excluded_affirmed", "excluded_ruled_out"):
        assert found[name] == pytest.approx(1 / 2), name
    # an effusion on one side, none on the other: affirmed
    both = features(asked, case(affirmed=("effusion",), negated=("effusion",)))
    assert (both["sought_affirmed"], both["sought_ruled_out"]) == (0.5, 0.0)


@pytest.mark.parametrize("assertion", [Assertion.INTERROGATIVE, Assertion.UNCERTAIN])
def test_what_is_asked_counts_alike_whatever_the_reply(assertion):
    asked = replace(question("is there a mass?"), mentions=(mention("mass", assertion),))
    yes, no = case(affirmed=("mass",)), case(negated=("mass",))
    assert features(asked, yes)["asked_stated"] == features(asked, no)["asked_stated"] == 1.0
    assert features(asked, yes)["sought_affirmed"] == features(asked, no)["sought_ruled_out"] == 0
    assert features(asked, case(affirmed=("fever",)))["asked_stated"] == 0.0


class Kinds:
    """A pleural effusion is an effusion, of the chest; a drusen is of the eye."""

    def ancestors(self, concept):
        return ("effusion",) if concept == "pleural effusion" else ()

    def region(self, concept):
        return "eye" if concept == "drusen" else "chest"


def test_kinds_of_what_is_sought_count():
    def found(asked, e):
        return dict(zip(FEATURES, pair_features(asked, [e], Kinds())[0].tolist(), strict=True))

    wide, narrow = question("", ("effusion",)), question("", ("pleural effusion",))
    assert found(wide, case(affirmed=("pleural effusion",)))["sought_affirmed"] == 1.0
    assert found(narrow, case(affirmed=("effusion",)))["sought_affirmed"] == 0.0
    excluded = question("", (), ("effusion",))
    assert found(excluded, case(affirmed=("pleural effusion",)))["excluded_affirmed"] == 1.0
    assert found(wide, case(affirmed=("pleural effusion",)))["region_match"] == 1.0
    assert found(wide, case(affirmed=("drusen",)))["region_match"] == -1.0
    assert found(wide, case())["region_match"] == 0.0


def test_normality_conflict_goes_both_ways():
    def normal(key="C1"):
        said = replace(mention("normal study"), kind=Kind.NORMAL)
        return replace(case(key), mentions=(said,))

    ill = case(affirmed=("mass",))
    asked_normal = replace(question("normal chest"), mentions=normal().mentions)
    assert features(question("mass", ("mass",)), normal())["normal_conflict"] == 1
    assert features(asked_normal, ill)["normal_conflict"] == 1
    assert features(asked_normal, normal())["normal_conflict"] == 0
    assert features(question("mass", ("mass",)), ill)["normal_conflict"] == 0


def test_asks_whether():
    for kind, expected in ((QuestionKind.PRESENCE, 1), (QuestionKind.SEARCH, 0)):
        asked = replace(question("effusion"), intent=Intent(kind, "test"))
        assert features(asked, case())["asks_whether"] == expected


@pytest.mark.parametrize(
    ("asked", "text", "conflict"),
    [
        ("left effusion", "Effusion on the right.", 1),
        ("LUL mass", "Mass of the RLL", 1),
        ("OD: drusen", "drusen, left eye", 1),
        ("left effusion", "bilateral effusions", 0),
        ("left effusion", "Left and right effusion", 0),
        ("left effusion", "effusion", 0),
        ("OU drusen", "left drusen", 0),
        ("left mass", "the os frontale", 0),
        ("right mass", "the os frontale", 0),
    ],
)
def test_laterality_conflict(asked, text, conflict):
    assert features(question(asked), case(text=text))["laterality_conflict"] == conflict


def located(text, *terms):
    """The text with affirmed mentions of the terms, where they stand in it."""
    return tuple(
        Mention(t, text.index(t), text.index(t) + len(t), t, t, Assertion.AFFIRMED) for t in terms
    )


def test_finding_side_conflict_looks_beside_each_finding():
    asked_text = "left effusion; right mass"
    asked = replace(question(asked_text), mentions=located(asked_text, "effusion", "mass"))

    def conflict(text):
        said = located(text, *(t for t in ("effusion", "mass") if t in text))
        return features(asked, replace(case(text=text), mentions=said))["finding_side_conflict"]

    assert conflict("effusion on the right. Mass: mass of the right lung.") == pytest.approx(1 / 2)
    assert conflict("left effusion, no change on the right") == 0.0
    assert conflict("bilateral effusion") == 0.0
    assert conflict("effusion. The right hip is normal") == 0.0
    assert conflict("right effusion, left mass") == 1.0


def test_indicators():
    pictured = replace(case(), item=Case(id="1", image=Path("x.png")))
    assert features(question(), pictured)["evidence_has_image"] == 1
    assert features(question(image="x.png"), case())["evidence_has_image"] == 0
    assert features(question("mass", ("mass",)), case())["query_has_terms"] == 1
    assert features(question("bread"), case())["query_has_terms"] == 0
    with_image = features(question(image="x.png"), definition("mass"))
    assert [with_image[n] for n in FEATURES[-3:]] == [1, 0, 1]
    with_text = features(question("mass?"), case())
    assert [with_text[n] for n in FEATURES[-3:]] == [0, 1, 0]


def test_features_of_nothing_have_their_width():
    assert pair_features(question(), []).shape == (0, len(FEATURES))
    assert embedding_features(question(), []).shape == (0, 4 * DIM)


def test_embedding_features_by_hand():
    asked = question(vector=(1.0, 2.0))
    e = replace(case(), vector=f32(3.0, -1.0))
    assert embedding_features(asked, [e]).tolist() == [[1, 2, 3, -1, 3, -2, 2, 3]]


# Filters


def test_pair_scorer_sees_the_question():
    scorer = PairScorer(linear_head(sought_affirmed=2.0, excluded_affirmed=-3.0))
    found = [case("C1", affirmed=("mass",)), case("C2", negated=("mass",))]
    assert scorer.score(question("", ("mass",)), found) == pytest.approx(sigmoid([2.0, 0.0]))
    assert scorer.score(question("", (), ("mass",)), found) == pytest.approx(sigmoid([-3.0, 0.0]))


def test_reward_filter_keeps_what_is_above_tau():
    contexts = [case(f"C{i}", similarity=s) for i, s in enumerate((0.0, 1.0, -1.0, 0.5))]
    scorer = PairScorer(linear_head(similarity=1.0))
    kept = RewardFilter(scorer, tau=0.5).keep(question(), contexts)
    assert [e.key for e in kept] == ["C1", "C3"]  # σ(0) = 0.5 is not above 0.5
    assert [e.reward for e in kept] == pytest.approx(sigmoid([1.0, 0.5]).tolist())
    assert RewardFilter(scorer, tau=1.0).keep(question(), contexts) == []


def test_reward_filter_shows_the_best_first_where_a_rank_has_a_price():
    """Log-odds 1, 2, 4 less 0, c, 2c: at c = 1 the last passes both, at c = 3 none passes."""
    cases = [case(f"C{i}", similarity=s) for i, s in enumerate((1.0, 2.0, 4.0))]
    mixed = [cases[0], definition("mass"), *cases[1:]]
    scorer = PairScorer(linear_head(similarity=1.0))

    def order(cost):
        return [e.key for e in RewardFilter(scorer, 0.1, cost).keep(question(), mixed)]

    assert order(0.0) == ["C2", "D1", "C1", "C0"]
    assert order(1.0) == ["C2", "D1", "C0", "C1"]
    assert order(3.0) == order(math.inf) == ["C0", "D1", "C1", "C2"]


@pytest.mark.parametrize("cost", [-0.1, math.nan])
def test_a_price_of_ranks_out_of_range_is_refused(cost):
    with pytest.raises(QueryError, match="cost of a rank"):
        RewardFilter(PairScorer(linear_head()), 0.5, cost)


def test_similarity_threshold_keeps_near_cases_and_the_definitions_they_call_for():
    near = case("C1", similarity=0.6, affirmed=("effusion",), negated=("mass",))
    far = case("C2", similarity=0.4, affirmed=("nodule",))
    known = [definition(c, f"D{i}") for i, c in enumerate(("effusion", "mass", "nodule", "fever"))]
    kept = SimilarityThreshold(0.5).keep(question("", ("fever",)), [far, *known, near])
    assert [e.key for e in kept] == ["D0", "D3", "C1"]
    assert [e.reward for e in kept] == pytest.approx([0.1, 0.1, 0.6])


def test_similarity_threshold_keeps_nothing_where_nothing_is_near():
    found = [case(similarity=0.4, affirmed=("nodule",)), definition("nodule")]
    assert SimilarityThreshold(0.5).keep(question(), found) == []


@pytest.mark.parametrize("tau", [-0.1, 1.1, math.nan])
def test_tau_out_of_range_is_refused(tau):
    with pytest.raises(QueryError, match="tau from 0 to 1"):
        SimilarityThreshold(tau)
    with pytest.raises(QueryError, match="tau from 0 to 1"):
        RewardFilter(PairScorer(linear_head()), tau)


class TestContextReward(ContextFilterContract):
    def make(self):
        return RewardFilter(ContextScorer(letters, random_head(2)), tau=0.4)


class TestPairReward(ContextFilterContract):
    def make(self):
        return RewardFilter(PairScorer(random_head(len(FEATURES))), tau=0.4)


class TestPairRewardBestFirst(ContextFilterContract):
    def make(self):
        return RewardFilter(PairScorer(random_head(len(FEATURES))), tau=0.4, rank_cost=0.3)


class TestPairRewardWithEmbeddings(ContextFilterContract):
    def make(self):
        head = random_head(len(FEATURES) + 4 * DIM)
        return RewardFilter(PairScorer(head, embedding_dim=DIM), tau=0.4)


class TestSimilarityThreshold(ContextFilterContract):
    def make(self):
        return SimilarityThreshold(0.2)


class TestKeepAll(ContextFilterContract):
    fills_reward = False

    def make(self):
        return KeepAll()


# Checkpoints


def save_model(path, scorer, tau=0.4, encoder="letters"):
    measured = {"pairwise accuracy": 0.9}
    save_reward(path, scorer, tau=tau, encoder=encoder, trained_on=("phantoms",), metrics=measured)


@pytest.fixture
def checkpoint(tmp_path):
    """A pair model on disk."""
    path = tmp_path / "reward"
    save_model(path, PairScorer(random_head(len(FEATURES)), Calibration(0.7, -0.1)))
    return path


@pytest.mark.parametrize(
    "scorer",
    [
        PairScorer(linear_head(similarity=2.0)),
        PairScorer(random_head(len(FEATURES)), Calibration(0.7, -0.1)),
        PairScorer(random_head(len(FEATURES) + 4 * DIM), embedding_dim=DIM),
        ContextScorer(letters, random_head(2)),
    ],
    ids=["linear", "hidden", "embeddings", "context"],
)
def test_a_model_comes_back_as_it_was_saved(tmp_path, scorer):
    path = tmp_path / "models" / "reward"
    save_model(path, scorer)
    loaded = load_reward(path, encode=letters, encoder="letters")
    evidence = evidence_list(seed=1, n=20)
    asked = question("left effusion", ("effusion",), image="x.png")
    assert loaded.tau == 0.4
    assert loaded.scorer.score(asked, evidence).tolist() == scorer.score(asked, evidence).tolist()
    assert [p.name for p in path.parent.iterdir()] == ["reward"]


def test_config_says_what_the_model_is(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    weights = (checkpoint / "weights.safetensors").read_bytes()
    assert config == {
        "format": 1,
        "kind": "reward",
        "trained": True,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "encoders": {"dual": "letters"},
        "training_data": ["phantoms"],
        "settings": {
            "scorer": "pair",
            "features": list(FEATURES),
            "embedding_dim": 0,
            "tau": 0.4,
            "calibration": {"scale": 0.7, "shift": -0.1},
            "metrics": {"pairwise accuracy": 0.9},
        },
    }


def test_a_stored_model_is_never_overwritten(checkpoint):
    before = (checkpoint / "weights.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="exists already"):
        save_model(checkpoint, PairScorer(linear_head()))
    assert (checkpoint / "weights.safetensors").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_model(tmp_path / "file" / "reward", PairScorer(linear_head()))


def test_a_bad_tau_is_not_written(tmp_path):
    with pytest.raises(QueryError, match="tau"):
        save_model(tmp_path / "reward", PairScorer(linear_head()), tau=2.0)
    assert list(tmp_path.iterdir()) == []


def test_another_encoder_is_refused(checkpoint):
    with pytest.raises(CheckpointError, match="dual encoder letters, not words"):
        load_reward(checkpoint, encoder="words")


def test_a_preset_refuses_a_model_that_was_trained_on_another_encoder(checkpoint):
    with pytest.raises(CheckpointError, match="dual encoder letters, not dual"):
        build("offline", {"reward": str(checkpoint)})


def test_a_preset_reads_for_a_context_model(tmp_path):
    embedder, (_, texts) = build("offline").embedder, offline_encoders()
    scorer = ContextScorer(texts.encode, random_head(texts.dim))
    path = tmp_path / "reward"
    save_model(path, scorer, encoder=embedder.fingerprint)
    found = build("offline", {"reward": str(path)}).context_filter
    contexts = [case(text="Left pleural effusion."), case(text="")]
    assert isinstance(found, RewardFilter)
    rewards = found.scorer.score(question(), contexts)
    assert rewards.tolist() == scorer.score(question(), contexts).tolist()


@pytest.fixture
def learned(tmp_path):
    """A folder as ``train offline`` leaves it: the models that ship but the reward model."""
    folder = tmp_path / "models"
    folder.mkdir()
    for item in presets.MODELS.iterdir():
        if item.name != "reward":
            (folder / item.name).symlink_to(item)
    return folder


def test_the_offline_preset_takes_the_model_beside_its_encoders(learned):
    models = {"learned": str(learned)}
    assert isinstance(build("offline", models).context_filter, SimilarityThreshold)
    embedder = build("offline", models).embedder
    assert embedder.fingerprint == build("offline").embedder.fingerprint
    scorer = PairScorer(linear_head(similarity=2.0))
    save_model(learned / "reward", scorer, 0.3, embedder.fingerprint)
    found = build("offline", models).context_filter
    assert isinstance(found, RewardFilter)
    assert found.tau == 0.3


def test_a_model_of_another_embedder_is_not_taken(learned):
    save_model(learned / "reward", PairScorer(linear_head()), 0.3, "letters")
    assert isinstance(
        build("offline", {"learned": str(learned)}).context_filter, SimilarityThreshold
    )


def test_a_folder_without_encoders_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"image\.json"):
        build("offline", {"learned": str(tmp_path)})


def test_the_model_that_ships_is_in_use():
    if not (presets.MODELS / "reward").is_dir():
        pytest.skip("no reward model ships yet")
    assert isinstance(build("offline").context_filter, RewardFilter)


def test_a_context_model_without_its_text_encoder_is_refused(tmp_path):
    save_model(tmp_path / "reward", ContextScorer(letters, random_head(2)))
    with pytest.raises(CheckpointError, match="Load it with that of letters"):
        load_reward(tmp_path / "reward")


def test_an_absent_model_is_untrained(tmp_path):
    with pytest.raises(UntrainedError, match="no trained reward"):
        load_reward(tmp_path / "none")


@pytest.mark.parametrize(
    "change",
    [
        {"scorer": "other"},
        {"features": ["similarity"]},
        {"embedding_dim": -1},
        {"embedding_dim": 3},
        {"embedding_dim": 0.0},
        {"tau": True},
        {"tau": 2.0},
        {"tau": 10**400},
        {"tau": float("nan")},
        {"tau": "0.5"},
        {"metrics": []},
        {"calibration": {}},
        {"calibration": {"scale": 0.0, "shift": 0.0}},
        {"calibration": {"scale": "1", "shift": 0.0}},
        {"calibration": {"scale": 1.0, "shift": 10**400}},
        {"calibration": {"slope": 1.0}},
    ],
    ids=lambda change: repr(change)[:40],
)
def test_settings_with_bad_values_are_refused(checkpoint, change):
    config = json.loads((checkpoint / "config.json").read_text())
    config["settings"] |= change
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError):
        load_reward(checkpoint)


@pytest.mark.parametrize("encoders", [{}, {"image": "letters"}])
@pytest.mark.parametrize("encoder", [None, "letters"])
def test_a_model_that_does_not_name_its_encoder_is_refused(checkpoint, encoders, encoder):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | {"encoders": encoders}))
    with pytest.raises(CheckpointError, match="no proper 'dual'"):
        load_reward(checkpoint, encoder=encoder)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"output": f32(1), "bias": f32(1), "more": f32(1)},
        {"output": np.ones(10, np.float32)},
        {"output": np.ones(10, np.float32), "bias": f32(1, 2)},
        {"output": np.ones(3, np.float32), "bias": f32(1)},
        {"output": np.ones(4, np.float32), "bias": f32(1), "hidden": np.ones((4, 10), np.float32)},
    ],
    ids=["none", "more", "no bias", "two biases", "narrow", "no hidden bias"],
)
def test_weights_that_do_not_fit_are_refused_though_their_digest_holds(checkpoint, tensors):
    replace_weights(checkpoint, save(tensors))
    with pytest.raises(CheckpointError):
        load_reward(checkpoint)


def replace_weights(checkpoint, data):
    (checkpoint / "weights.safetensors").write_bytes(data)
    config = json.loads((checkpoint / "config.json").read_text())
    config["sha256"] = hashlib.sha256(data).hexdigest()
    (checkpoint / "config.json").write_text(json.dumps(config))
