"""Typed, frozen records: what the engine stores and what tasks and adapters exchange."""

from harness.records.base import SCHEMA_VERSION, JsonValue, Record, canonical_json, digest
from harness.records.capability import Capability
from harness.records.manifest import (
    Environment,
    RunManifest,
    RunStatus,
    TaskPlan,
    TaskResult,
    TaskStatus,
)
from harness.records.metadata import (
    DataFile,
    Fingerprint,
    Modality,
    ModelCard,
    Suite,
    SuiteEntry,
    TaskMetadata,
)
from harness.records.metric import Aggregation, Direction, MetricSpec, MetricValue
from harness.records.outcome import Outcome, ScoredSample, Verdict
from harness.records.protocol import DatasetInfo, Identity, Protocol
from harness.records.request import (
    AnswerRequest,
    EditImageRequest,
    GenerateImageRequest,
    ImageDecoding,
    LogLikelihoodRequest,
    ReconstructRequest,
    Request,
    TextDecoding,
)
from harness.records.response import (
    USUAL_FIRST,
    FinishReason,
    First,
    Response,
    StoredResponse,
    Timing,
    Usage,
)
from harness.records.sample import Sample

__all__ = [
    "SCHEMA_VERSION",
    "USUAL_FIRST",
    "Aggregation",
    "AnswerRequest",
    "Capability",
    "DataFile",
    "DatasetInfo",
    "Direction",
    "EditImageRequest",
    "Environment",
    "Fingerprint",
    "FinishReason",
    "First",
    "GenerateImageRequest",
    "Identity",
    "ImageDecoding",
    "JsonValue",
    "LogLikelihoodRequest",
    "MetricSpec",
    "MetricValue",
    "Modality",
    "ModelCard",
    "Outcome",
    "Protocol",
    "ReconstructRequest",
    "Record",
    "Request",
    "Response",
    "RunManifest",
    "RunStatus",
    "Sample",
    "ScoredSample",
    "StoredResponse",
    "Suite",
    "SuiteEntry",
    "TaskMetadata",
    "TaskPlan",
    "TaskResult",
    "TaskStatus",
    "TextDecoding",
    "Timing",
    "Usage",
    "Verdict",
    "canonical_json",
    "digest",
]
