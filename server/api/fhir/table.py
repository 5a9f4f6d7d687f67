"""The table of the façade: every resource, once. It is served from here and the CapabilityStatement is made from it."""

from __future__ import annotations

from typing import Final

from server.api.fhir import (
    appointing,
    appointments,
    asking,
    bundles,
    clinical,
    depositing,
    documents,
    governance,
    identity,
    measuring,
    patching,
    questionnaires,
    searching,
)
from server.api.fhir.front import Resource, Table

_ROWS: Final = (
    Resource(
        "DocumentReference", "Documents (PDSm: ITI-67 search, ITI-105 simplified publication, metadata by PATCH)",
        (*asking.PATIENT, *documents.SEARCHED), documents.everything, "documents:list",
        read=searching.read, search=searching.search, create=depositing.publish, patch=patching.patch,
        profiles=("pdsm-comprehensive-document-reference", "pdsm-simplified-publish"),
    ),
    Resource("Binary", "The document itself (ITI-68)", read=documents.binary, scope="documents:read"),
    Resource(
        "List", "Submission sets (ITI-66)", (*asking.PATIENT, *documents.LISTS), documents.lists, "documents:list",
        read=searching.read, search=searching.search, profiles=("pdsm-submissionset-comprehensive",),
    ),
    Resource(
        "Observation", "Laboratory results and measures of health", (*asking.PATIENT, *clinical.OBSERVATIONS),
        clinical.observations, "measures:read",
        read=searching.read, search=searching.search, create=measuring.observe,
    ),
    Resource(
        "Immunization", "Vaccinations", (*asking.PATIENT, *clinical.IMMUNISATIONS), clinical.immunisations,
        read=searching.read, search=searching.search,
    ),
    Resource(
        "AllergyIntolerance", "Allergies and intolerances", (*asking.PATIENT, *clinical.ALLERGIES), clinical.allergies,
        read=searching.read, search=searching.search,
    ),
    Resource(
        "Condition", "Problems and history", (*asking.PATIENT, *clinical.CONDITIONS), clinical.conditions,
        read=searching.read, search=searching.search,
    ),
    Resource(
        "MedicationStatement", "Treatments prescribed, dispensed or taken", (*asking.PATIENT, *clinical.TREATMENTS),
        clinical.treatments, read=searching.read, search=searching.search,
    ),
    Resource(
        "Appointment", "What an office's program organises; of a patient, their agenda",
        (*asking.PATIENT, *appointments.SEARCHED),
        read=appointments.read, search=appointments.search, create=appointing.create, update=appointing.update,
    ),
    Resource(
        "Consent", "What the patient allowed; of a service, what it was granted",
        (*asking.PATIENT, *governance.CONSENTS), governance.given, "*", governance.granted,
        read=searching.read, search=searching.search,
    ),
    Resource(
        "AuditEvent", "Who did what in the patient's space, for the patient", (*asking.PATIENT, *governance.EVENTS),
        governance.events, read=searching.read, search=searching.search,
    ),
    Resource(
        "Questionnaire", "The forms of an office, by its own token", questionnaires.QUESTIONNAIRES,
        questionnaires.nothing, everywhere=questionnaires.of_office,
        read=questionnaires.read, search=questionnaires.search, create=questionnaires.create,
    ),
    Resource(
        "QuestionnaireResponse", "What was answered to a form, for the patient and for who asked",
        (*asking.PATIENT, *questionnaires.RESPONSES), questionnaires.responses,
        read=searching.read, search=searching.search,
    ),
    Resource(
        "Patient", "Whom the dossier is about", identity.SEARCHED, identity.everything,
        read=searching.read, search=searching.search_patient,
    ),
)  # fmt: skip

TABLE: Final = Table({row.name: row for row in _ROWS}, bundles.transaction)
