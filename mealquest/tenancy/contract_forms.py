"""What an application for a contract takes, also by the names older clients use."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from mealquest.core.wire import Input, Phone, Str, refuse, wire_name

COMPANY_LENGTH, NUMBER_LENGTH, NOTES_LENGTH = 64, 64, 1000
_OLDER = {"companyName": "company", "licenseNo": "businessLicenseNo", "contactPhone": "phone"}


def _needed(value: str, info: ValidationInfo) -> str:
    if not value:
        raise refuse(f"{wire_name(info)} is required")
    return value


Company = Annotated[Str, Field(max_length=COMPANY_LENGTH), AfterValidator(_needed)]
Number = Annotated[Str, Field(max_length=NUMBER_LENGTH), AfterValidator(_needed)]


class ContractForm(Input):
    """An application. A phone that is missing is refused as one that is wrong."""

    company_name: Company
    license_no: Number
    settlement_account: Number
    contact_phone: Phone
    notes: Annotated[Str, Field(max_length=NOTES_LENGTH)] = ""

    @model_validator(mode="before")
    @classmethod
    def _by_older_names(cls, sent: dict[str, Any]) -> dict[str, Any]:
        found = {
            name: sent[older]
            for name, older in _OLDER.items()
            if name not in sent and older in sent
        }
        if sent.get("notes", "") is None:
            found["notes"] = ""
        return {"contactPhone": ""} | sent | found
