"""A form as FHIR R4 (Questionnaire), both ways. Pure.

Read: https://hl7.org/fhir/R4/questionnaire.html, with the extensions minValue, maxValue, questionnaire-unit,
questionnaire-maxOccurs and translation (English). Promises: what would change the meaning of a form and is not
understood is refused, naming the linkId (modifierExtension, a type, a value set); other extensions are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from server.errors import Invalid
from server.forms.questionnaires import MAX_DEPTH, MAX_REPEATS, Form, Item, Option, When, checked, every, wrong

_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/"
_MIN, _MAX = f"{_EXTENSION}minValue", f"{_EXTENSION}maxValue"
_UNIT, _OCCURS = f"{_EXTENSION}questionnaire-unit", f"{_EXTENSION}questionnaire-maxOccurs"
_TRANSLATION: Final = f"{_EXTENSION}translation"
_UCUM, _LOINC = "http://unitsofmeasure.org", "http://loinc.org"
UNVERIFIED: Final = "urn:pli:unverified"  # extension: nobody stands for it yet
_NOT_READ: Final = ("answerValueSet", "derivedFrom")

Json = Mapping[str, Any]


def read(resource: object) -> Form:
    """The form of a Questionnaire. Raises `Invalid`, naming the question; `TooLarge`."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "Questionnaire":
        raise Invalid("not_a_questionnaire", "Ce n’est pas un Questionnaire FHIR.")
    if "modifierExtension" in resource or "implicitRules" in resource:
        raise Invalid("form_not_understood", "Ce questionnaire dépend de règles (modifierExtension) non comprises.")
    if resource.get("status") in {"retired", "entered-in-error"}:
        raise Invalid("form_retired", "Ce questionnaire est retiré (status).")
    return checked(
        Form(
            title=_words(resource, "title") or _words(resource, "name"),
            title_en=_english(resource, "title"),
            items=_items(resource, "", 1),
            url=_words(resource, "url")[:300],
            version=_words(resource, "version")[:60] or "1",
            name=_words(resource, "name")[:100],
            description=_words(resource, "description")[:2_000],
            description_en=_english(resource, "description")[:2_000],
            publisher=_words(resource, "publisher")[:200],
            verified=_extension(resource, UNVERIFIED) is None,
        )
    )


def _items(holder: Json, link_id: str, depth: int) -> tuple[Item, ...]:
    found = holder.get("item", [])
    if not isinstance(found, list) or depth > MAX_DEPTH + 1 or len(found) > 200:
        raise wrong(link_id, "ses questions (item) ne sont pas lisibles, ou trop nombreuses")
    return tuple(_item(one, depth) for one in found)


def _item(one: object, depth: int) -> Item:
    if not isinstance(one, dict):
        raise Invalid("bad_question", "Une question n’est pas lisible.")
    link_id = _words(one, "linkId")
    if "modifierExtension" in one:
        raise wrong(link_id, "elle dépend d’une règle (modifierExtension) non comprise")
    for name in _NOT_READ:
        if name in one:
            raise wrong(link_id, f"« {name} » n’est pas pris en charge : écrivez les réponses (answerOption)")
    kind, repeats = _words(one, "type"), one.get("repeats") is True
    coded = [code for code in one.get("code") or () if isinstance(code, dict) and code.get("system") == _LOINC]
    return Item(
        id=link_id,
        type=kind,
        text=_words(one, "text"),
        text_en=_english(one, "text"),
        required=one.get("required") is True,
        repeats=repeats,
        most=_whole(one, _OCCURS, MAX_REPEATS) if repeats else 1,
        options=tuple(_option(option, link_id) for option in _list(one, "answerOption", link_id)),
        when=tuple(_when(when, link_id) for when in _list(one, "enableWhen", link_id)),
        any_of=one.get("enableBehavior") == "any",
        initial=_initial(one, link_id),
        max_length=one["maxLength"] if isinstance(one.get("maxLength"), int) and one["maxLength"] > 0 else 0,
        least=_bound(one, _MIN, link_id),
        greatest=_bound(one, _MAX, link_id),
        unit=_unit(one),
        definition=_words(one, "definition")[:300],
        loinc=str(coded[0].get("code", ""))[:20] if coded else "",
        items=_items(one, link_id, depth + 1),
    )


def _list(one: Json, name: str, link_id: str) -> list[Json]:
    found = one.get(name) or []
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found) or len(found) > 200:
        raise wrong(link_id, f"« {name} » n’est pas lisible")
    return found


def _initial(one: Json, link_id: str) -> tuple[str, ...]:
    chosen = [part for part in _list(one, "answerOption", link_id) if part.get("initialSelected") is True]
    found = [kept for part in (*_list(one, "initial", link_id), *chosen) if (kept := _value(part, "value"))]
    return tuple(found[:MAX_REPEATS])


def _option(option: Json, link_id: str) -> Option:
    if "modifierExtension" in option:
        raise wrong(link_id, "une réponse dépend d’une règle (modifierExtension) non comprise")
    coding = option.get("valueCoding")
    if isinstance(coding, dict):
        display = _words(coding, "display") or _words(coding, "code")
        return Option(_words(coding, "code") or display, display, _english(coding, "display"), _words(coding, "system"))
    for kind in ("String", "Integer", "Date", "Time"):
        if f"value{kind}" in option:
            said = str(option[f"value{kind}"])
            return Option(said, said, _english(option, f"value{kind}"), kind=kind.lower())
    raise wrong(link_id, "une réponse (answerOption) n’est pas lisible")


def _when(when: Json, link_id: str) -> When:
    if "modifierExtension" in when:
        raise wrong(link_id, "une condition dépend d’une règle (modifierExtension) non comprise")
    answer = _value(when, "answer")
    if not answer:
        raise wrong(link_id, "une condition (enableWhen) compare à une réponse qui n’est pas prise en charge")
    return When(_words(when, "question"), _words(when, "operator"), answer)


def _value(holder: Json, name: str) -> str:
    """A value[x] as an answer is kept; "" for one we do not read."""
    for key, value in holder.items():
        if not key.startswith(name) or key == name:
            continue
        match key.removeprefix(name):
            case "Boolean" if isinstance(value, bool):
                return "true" if value else "false"
            case "Integer" | "Decimal" if isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
            case "Date" | "Time" | "String" if isinstance(value, str):
                return value
            case "Coding" if isinstance(value, dict):
                return _words(value, "code") or _words(value, "display")
            case "Quantity" if isinstance(value, dict) and isinstance(value.get("value"), int | float):
                return f"{value['value']}|{_words(value, 'unit') or _words(value, 'code')}"
    return ""


def _bound(one: Json, url: str, link_id: str) -> str:
    found = _extension(one, url)
    if found is None:
        return ""
    value = _value(found, "value")
    if not value:
        raise wrong(link_id, "sa limite (minValue, maxValue) n’est pas lisible")
    return value.partition("|")[0]


def _whole(one: Json, url: str, otherwise: int) -> int:
    found = _extension(one, url)
    value = found.get("valueInteger") if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _unit(one: Json) -> str:
    found = _extension(one, _UNIT)
    coding = found.get("valueCoding") if found else None
    return (_words(coding, "code") or _words(coding, "display"))[:30] if isinstance(coding, dict) else ""


def _extension(holder: Json, url: str) -> Json | None:
    found = holder.get("extension")
    listed = found if isinstance(found, list) else []
    return next((one for one in listed if isinstance(one, dict) and one.get("url") == url), None)


def _words(holder: Json, name: str) -> str:
    value = holder.get(name)
    return value.strip() if isinstance(value, str) else ""


def _english(holder: Json, name: str) -> str:
    """The English of a text, by the translation extension of its element."""
    beside = holder.get(f"_{name}")
    extensions = beside.get("extension") if isinstance(beside, dict) else None
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("url") == _TRANSLATION:
            parts = {
                part.get("url"): part
                for part in one.get("extension") or ()
                if isinstance(part, dict) and isinstance(part.get("url"), str)
            }
            if str(parts.get("lang", {}).get("valueCode", "")).startswith("en"):
                return str(parts.get("content", {}).get("valueString", "")).strip()
    return ""


# ---- the other way ---------------------------------------------------------------------------------------------------


def write(form: Form, resource_id: str = "", status: str = "active") -> dict[str, Any]:
    """The Questionnaire of a form; `read(write(form))` is the form."""
    resource: dict[str, Any] = {"resourceType": "Questionnaire"}
    if resource_id:
        resource["id"] = resource_id
    if not form.verified:
        resource["extension"] = [{"url": UNVERIFIED, "valueBoolean": True}]
    said = {"url": form.url, "version": form.version, "name": form.name}
    resource |= {name: value for name, value in said.items() if value}
    _say(resource, "title", form.title, form.title_en)
    resource |= {"status": status, "subjectType": ["Patient"]}
    if form.publisher:
        resource["publisher"] = form.publisher
    _say(resource, "description", form.description, form.description_en)
    asked = {item.id: item for item in every(form.items)}
    resource["item"] = [_written(item, asked) for item in form.items]
    return resource


def _say(resource: dict[str, Any], name: str, text: str, english: str) -> None:
    if text:
        resource[name] = text
    if english:
        parts = [{"url": "lang", "valueCode": "en"}, {"url": "content", "valueString": english}]
        resource[f"_{name}"] = {"extension": [{"url": _TRANSLATION, "extension": parts}]}


def _written(item: Item, asked: Mapping[str, Item]) -> dict[str, Any]:
    one: dict[str, Any] = {"linkId": item.id}
    extensions = _bounds(item)
    if extensions:
        one["extension"] = extensions
    if item.definition:
        one["definition"] = item.definition
    if item.loinc:
        one["code"] = [{"system": _LOINC, "code": item.loinc}]
    _say(one, "text", item.text, item.text_en)
    one["type"] = item.type
    if item.when:
        one["enableWhen"] = [_condition(when, asked) for when in item.when]
        one["enableBehavior"] = "any" if item.any_of else "all"
    if item.required:
        one["required"] = True
    if item.repeats:
        one["repeats"] = True
    if item.max_length:
        one["maxLength"] = item.max_length
    if item.options:
        one["answerOption"] = [_written_option(option, option.key in item.initial) for option in item.options]
    elif item.initial:
        one["initial"] = [value_of(item, kept) for kept in item.initial]
    if item.items:
        one["item"] = [_written(part, asked) for part in item.items]
    return one


def _bounds(item: Item) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for url, bound in ((_MIN, item.least), (_MAX, item.greatest)):
        if bound:
            kind = {"integer": "Integer", "date": "Date", "time": "Time"}.get(item.type, "Decimal")
            value = bound if kind in {"Date", "Time"} else _number(bound)
            found.append({"url": url, f"value{kind}": value})
    if item.unit:
        found.append({"url": _UNIT, "valueCoding": {"system": _UCUM, "code": item.unit}})
    if item.repeats:
        found.append({"url": _OCCURS, "valueInteger": item.most})
    return found


def _condition(when: When, asked: Mapping[str, Item]) -> dict[str, Any]:
    """A condition, its answer in the type of what it looks at."""
    about = asked[when.question]
    said = {"valueBoolean": when.answer == "true"} if when.operator == "exists" else value_of(about, when.answer)
    answer = {name.replace("value", "answer", 1): value for name, value in said.items()}
    return {"question": when.question, "operator": when.operator, **answer}


def _written_option(option: Option, chosen: bool) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if option.kind == "coding":
        coding: dict[str, Any] = {"code": option.key} | ({"system": option.system} if option.system else {})
        _say(coding, "display", option.text, option.text_en)
        written["valueCoding"] = coding
    else:
        name = f"value{option.kind.capitalize()}"
        written[name] = int(option.key) if option.kind == "integer" else option.key
        if option.text_en:
            _say(written, name, option.key, option.text_en)
            written[name] = int(option.key) if option.kind == "integer" else option.key
    return written | ({"initialSelected": True} if chosen else {})


def value_of(item: Item, kept: str) -> dict[str, Any]:
    """An answer as value[x] of a response or an initial value. An attachment is named by its id (its title beside)."""
    match item.type:
        case "boolean":
            return {"valueBoolean": kept == "true"}
        case "integer":
            return {"valueInteger": int(kept)}
        case "decimal":
            return {"valueDecimal": _number(kept)}
        case "quantity":
            number, _, unit = kept.partition("|")
            units = {"unit": unit, "system": _UCUM, "code": unit} if unit else {}
            return {"valueQuantity": {"value": _number(number), **units}}
        case "date" | "time":
            return {f"value{item.type.capitalize()}": kept}
        case "choice" | "open-choice":
            return _chosen(item, kept)
        case "attachment":
            name, _, title = kept.partition("|")
            return {"valueAttachment": {"url": f"urn:pli:file:{name}", "title": title}}
        case _:
            return {"valueString": kept}


def _chosen(item: Item, kept: str) -> dict[str, Any]:
    option = next((one for one in item.options if one.key == kept), None)
    if option is None:
        return {"valueString": kept.removeprefix(":")}
    return {name: value for name, value in _written_option(option, False).items() if not name.startswith("_")}


def _number(kept: str) -> int | float:
    return int(kept) if kept.lstrip("-").isdecimal() else float(kept)
