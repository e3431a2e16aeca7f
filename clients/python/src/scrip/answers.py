"""The answers of Scrip to a service, as openapi.yaml describes them.

Credits are decimal strings: `decimal.Decimal(receipt["credits"])` is exact. Times are RFC 3339 in
UTC. Written by tools/write_answers.py: do not edit.
"""

from __future__ import annotations

import sys
from typing import Literal, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired


# The organization that owns one pool of credits, identified by its id at any sign-in service
# (`auth0|64f0`). In a path it is percent-encoded.
AccountId = str

# The name of an action or a plan in the catalog.
Name = str

# How the account pays for its plan. `trialing`: it is tried for free, and a period has the size
# that the plan grants in a trial. `past_due`: no new plan grant arrives. `canceled`: nothing is
# granted; the account keeps its credits but cannot spend them.
Status = Literal["active", "trialing", "past_due", "canceled"]

# How many seats of its plan the account pays for: the sizes of the plan are granted as many
# times. An answer leaves it out if it is 1.
Seats = int

# A time in UTC, to the millisecond.
Instant = str


class NextPlan(TypedDict):
    """The change of plan that is due to come. Another change of plan undoes it."""

    plan: Name
    status: Status
    seats: NotRequired[Seats]
    at: Instant
    """When the plan changes."""


# Credits, 0 or more, in their shortest form.
Credits = str


class ConsumedBy(TypedDict):
    action: Name | None
    """Null for credits spent by amount."""
    credits: Credits


# The credits spent in this period, `[from, until)`, and not refunded. The actions add up to it.
Consumed = TypedDict(
    "Consumed",
    {
        "credits": Credits,
        "from": Instant,
        "until": Instant,
        "actions": list[ConsumedBy],
    },
)

# The id of an operation, as a UUID.
OperationId = str

# The week or plan period that the grant is for, or the operation that granted it.
GrantId = str | OperationId

# The source of the credits.
GrantKind = Literal["weekly", "plan", "purchased", "promotional", "manual"]

# Credits, more than 0 and at most 1000000000, in their shortest form. A request may also have
# leading and trailing zeros.
Amount = str

# The first instant at which the credits are expired. Null if they do not expire.
Expiry = Instant | None


class GrantLeft(TypedDict):
    id: GrantId
    kind: GrantKind
    amount: Amount
    remaining: Amount
    granted_at: Instant
    expires_at: Expiry


class RechargeValue(TypedDict):
    at: Instant
    credits: Amount


# When credits come back, and how many. Null if the plan grants no more credits.
Recharge = RechargeValue | None

# The number of an entry in its account's ledger.
Seq = int

# 1 to 64 bytes in UTF-8 without control characters: 64 letters of English, 21 of Chinese.
ShortText = str

# The window of a limit: a day, a week from Monday or a month, in UTC; the account's own plan
# period, or its week where none runs; or one that never ends.
Per = Literal["day", "week", "month", "period", "ever"]

# When the window ends and the next begins. Null if it never ends.
ResetsAt = Instant | None


class MyLimit(TypedDict):
    """A limit of the session's subject, in the window that runs now."""

    per: Per
    at_most: Credits
    used: Credits
    left: Credits
    resets_at: ResetsAt


class AccountBalance(TypedDict):
    account: AccountId
    plan: Name
    status: Status
    seats: NotRequired[Seats]
    next: NotRequired[NextPlan]
    gate: Literal["open", "account_frozen", "plan_required", "debt_outstanding"]
    """`open` if the account may spend, otherwise the code with which debits are refused."""
    available: Credits
    """The credits that can be spent, if the gate is open."""
    held: Credits
    """The credits that open holds set aside."""
    debt: Credits
    """The credits still owed for a refunded or disputed payment."""
    consumed: Consumed
    grants: list[GrantLeft]
    """The grants with credits remaining, including held credits, in the order in which they are
    spent."""
    recharge: Recharge
    seq: Seq
    subject: NotRequired[ShortText]
    """The subject of the session. Only in a customer's balance."""
    limits: NotRequired[list[MyLimit]]
    """The limits of `user:<subject of the session>` that the account or its plan sets. Only in a
    customer's balance."""


# The caller's key for an operation. A UUID is shown in small letters and a ULID in capitals,
# however it was sent.
Key = str

# Units of an action, whole; the catalog has a limit for each action.
Quantity = int

# The provider's own name of a model. Where the rate table says so, other names of it, and its
# name with a date behind it, mean the same model. Answers have the rate table's name.
ModelName = str

MeterCount = int


class Meters(TypedDict):
    """What a call consumed, by meter. Meters exclude each other: each token is counted by one of
    them. A meter that counts 0 is as one that is left out. A word that is no meter, and a
    meter for which the model has no rate, are `unknown_meter`."""

    input: NotRequired[MeterCount]
    """Not read from and not written to the provider's cache, no audio, no image."""
    cached_input: NotRequired[MeterCount]
    """Read from the provider's cache, images included."""
    cache_write: NotRequired[MeterCount]
    """Written to the provider's cache for its usual lifetime."""
    cache_write_1h: NotRequired[MeterCount]
    """Written to it for an hour."""
    output: NotRequired[MeterCount]
    """Thinking included."""
    input_audio: NotRequired[MeterCount]
    cached_input_audio: NotRequired[MeterCount]
    output_audio: NotRequired[MeterCount]
    input_image: NotRequired[MeterCount]
    output_image: NotRequired[MeterCount]


class Balance(TypedDict):
    """The balance after an entry."""

    available: Credits
    held: Credits


class DebitReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    action: NotRequired[Name]
    """Absent, like all that follows up to `credits`, if credits were spent by amount."""
    quantity: NotRequired[Quantity]
    """Absent if the action is priced by model and meters."""
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    credits: Credits
    """0 for a call that counts nothing, or whose rates are 0."""
    seq: Seq
    at: Instant
    balance: Balance


class BatchReceipt(TypedDict):
    account: AccountId
    receipts: list[DebitReceipt]
    """In the order of the debits in the request."""


class BatchReceipted(TypedDict):
    """A debit of a batch that is made, now or earlier."""

    status: Literal[201]
    replayed: bool
    """Whether it was made earlier."""
    receipt: DebitReceipt


# Credits, more than 0, in their shortest form; for a batch, the total cost of its debits.
Total = str


class ProblemInsufficientCredits(TypedDict):
    """Wait for the recharge, or send the customer to `top_up_url`."""

    type: Literal["urn:scrip:problem:insufficient_credits"]
    title: Literal["Insufficient credits"]
    status: Literal[402]
    detail: str
    code: Literal["insufficient_credits"]
    required: Total
    available: Credits
    shortfall: Total
    recharges_at: Instant | None
    """When credits come back. Null if the plan grants no more credits."""
    recharge_credits: Amount | None
    """How many come back."""
    auto_top_up: NotRequired[Literal["processing"]]
    """More credits are being bought. Only if that is so."""
    top_up_url: str | None
    """The URL where the customer can buy credits. Null if it is not configured."""


# A user, team, key or run: a kind (a small letter, then small letters and digits), a colon and a
# name of 1 to 64 bytes in UTF-8. `user:ada` is the user `ada`.
Subject = str


class ProblemLimitReachedItem(TypedDict):
    of: Subject
    per: Per
    at_most: Credits
    left: Credits
    required: Total
    resets_at: ResetsAt


class ProblemLimitReached(TypedDict):
    """One or more limits do not let the charge pass. `of` up to `resets_at` are of the one that
    resets last; wait until then, or raise it."""

    type: Literal["urn:scrip:problem:limit_reached"]
    title: Literal["Limit reached"]
    status: Literal[402]
    detail: str
    code: Literal["limit_reached"]
    of: Subject
    per: Per
    at_most: Credits
    left: Credits
    required: Total
    """What the charge, or the batch, needs of this limit."""
    resets_at: ResetsAt
    limits: list[ProblemLimitReachedItem]
    """Every limit that does not let the charge pass, the one that resets last first."""
    available: Credits
    """The credits of the account."""
    recharges_at: Instant | None
    """When credits come back, if the account has too few for the charge as well. Null if it has
    enough, or its plan grants no more."""
    recharge_credits: Amount | None
    """How many come back."""


class ProblemTooManyLimits(TypedDict):
    """The account has 512 limits of its own, or counts for 512 subjects and windows."""

    type: Literal["urn:scrip:problem:too_many_limits"]
    title: Literal["Too many limits"]
    status: Literal[409]
    detail: str
    code: Literal["too_many_limits"]


class ProblemDebtOutstanding(TypedDict):
    """The account is in debt, and the catalog does not allow spending in debt."""

    type: Literal["urn:scrip:problem:debt_outstanding"]
    title: Literal["Debt outstanding"]
    status: Literal[402]
    detail: str
    code: Literal["debt_outstanding"]
    required: Credits
    available: Credits
    debt: Amount
    top_up_url: str | None


class ProblemAccountFrozen(TypedDict):
    """An operator froze the account."""

    type: Literal["urn:scrip:problem:account_frozen"]
    title: Literal["Account frozen"]
    status: Literal[403]
    detail: str
    code: Literal["account_frozen"]
    required: Credits
    available: Credits


class ProblemPlanRequired(TypedDict):
    """The account's plan does not include AI, or was canceled."""

    type: Literal["urn:scrip:problem:plan_required"]
    title: Literal["Plan required"]
    status: Literal[403]
    detail: str
    code: Literal["plan_required"]
    required: Credits
    available: Credits


class ProblemKeyAhead(TypedDict):
    """The time in the key is more than 20 s ahead of the server's clock."""

    type: Literal["urn:scrip:problem:key_ahead"]
    title: Literal["Key ahead"]
    status: Literal[400]
    detail: str
    code: Literal["key_ahead"]
    server_time: Instant
    """The server's time. Create a new key from it, unless an earlier answer to this key was
    `outcome_unknown`."""


class ProblemOperationReused(TypedDict):
    """The key was already used with different content."""

    type: Literal["urn:scrip:problem:operation_reused"]
    title: Literal["Operation reused"]
    status: Literal[422]
    detail: str
    code: Literal["operation_reused"]


# The known name that is most similar to the one sent, if any is similar.
DidYouMean = str


class ProblemUnknownAction(TypedDict):
    """The catalog does not sell the action."""

    type: Literal["urn:scrip:problem:unknown_action"]
    title: Literal["Unknown action"]
    status: Literal[422]
    detail: str
    code: Literal["unknown_action"]
    did_you_mean: NotRequired[DidYouMean]


class ProblemUnknownModel(TypedDict):
    """The rate table of the action sells no such model."""

    type: Literal["urn:scrip:problem:unknown_model"]
    title: Literal["Unknown model"]
    status: Literal[422]
    detail: str
    code: Literal["unknown_model"]
    model: str
    """The model that was sent."""
    did_you_mean: NotRequired[DidYouMean]


class ProblemUnknownMeter(TypedDict):
    """A meter is unknown, or it counts something and the model has no rate for it."""

    type: Literal["urn:scrip:problem:unknown_meter"]
    title: Literal["Unknown meter"]
    status: Literal[422]
    detail: str
    code: Literal["unknown_meter"]
    model: str
    """The rate table's name of the model."""
    meter: str
    """The word that was sent, or of a usage object the meter that it counts."""
    did_you_mean: NotRequired[DidYouMean]


class BatchRefused(TypedDict):
    """A debit of a batch that is refused."""

    status: Literal[400, 402, 403, 409, 422]
    """That of the problem."""
    problem: (
        ProblemInsufficientCredits
        | ProblemLimitReached
        | ProblemTooManyLimits
        | ProblemDebtOutstanding
        | ProblemAccountFrozen
        | ProblemPlanRequired
        | ProblemKeyAhead
        | ProblemOperationReused
        | ProblemUnknownAction
        | ProblemUnknownModel
        | ProblemUnknownMeter
    )


class BatchResults(TypedDict):
    account: AccountId
    results: list[BatchReceipted | BatchRefused]
    """In the order of the debits in the request."""


class CaptureReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    hold: OperationId
    action: NotRequired[Name]
    """Absent if credits were held by amount."""
    quantity: NotRequired[Quantity]
    """Absent if credits were captured by amount or by meters."""
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    credits: Credits
    """The credits spent."""
    final: bool
    """Whether this capture ended the hold."""
    beyond: NotRequired[Credits]
    """How many of the credits were taken beyond the hold. Absent if none were."""
    uncharged: NotRequired[Credits]
    """The credits that were asked for beyond the hold and not charged: the account lacked them,
    or might not spend; or a call cost them without `beyond`. Absent if there are none."""
    seq: Seq
    at: Instant
    balance: Balance


class ExtendReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    hold: OperationId
    expires_at: Instant
    seq: Seq
    at: Instant
    balance: Balance


class HoldReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    action: NotRequired[Name]
    """Absent, like all that follows up to `credits`, if credits were held by amount."""
    quantity: NotRequired[Quantity]
    """Absent if the action is priced by model and meters."""
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    credits: Credits
    """0 for a call that counts nothing, or whose rates are 0."""
    expires_at: Instant
    """The first instant at which the hold is lapsed."""
    seq: Seq
    at: Instant
    balance: Balance


# The IAM principal that signed the request. Absent if nobody did, and in a customer's listing.
Actor = str

# Credits, 0 or more. Null if there is no number.
CreditsOrNull = Credits | None


class LimitReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    actor: NotRequired[Actor]
    of: Subject
    per: Per
    at_most: CreditsOrNull
    """Null if the limit was removed."""
    seq: Seq
    at: Instant
    balance: Balance


class Limit(TypedDict):
    of: Subject | None
    """Null if the name of what was counted is not kept."""
    per: Per
    at_most: CreditsOrNull
    """Null if the number comes with each request."""
    used: Credits
    """What was charged in this window, less what was given back."""
    left: CreditsOrNull
    """What is left of `at_most`; 0 if more was used. Null if the number comes with each request."""
    resets_at: ResetsAt
    source: Literal["account", "plan", "request"]
    """What says the number. The account's own takes the place of the plan's."""


class LimitsItem(TypedDict):
    of: str
    """The kind of the subjects."""
    per: Per
    at_most: Credits


class Limits(TypedDict):
    limits: list[Limit]
    """One for each limit that something counts for in the window that runs now, and for each of
    the account's own; in the order of `of` and `per`."""
    defaults: list[LimitsItem]
    """The limits that the plan sets, each for every subject of a kind."""


# A change of credits, negative if credits left; in its shortest form.
CreditsChange = str

# A day in UTC, from 1970-01-01.
Day = str


class MovedItem(TypedDict):
    grant: GrantId
    kind: GrantKind
    credits: CreditsChange
    expires_at: Expiry


# The credits of each grant that arrived, came back, or expired (negative). 0 if only its expiry
# changed.
Moved = list[MovedItem]

# A version of the catalog.
CatalogVersion = int


class EntryOpened(TypedDict):
    """The account was opened, with these grants."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["opened"]
    by: Literal["operator"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    plan: Name
    status: Status
    anchor: Day
    seats: NotRequired[Seats]
    moved: Moved
    actor: NotRequired[Actor]
    catalog: CatalogVersion


# The subjects that it counts for beside its user. Absent if there are none.
EntrySubjects = list[Subject]


class EntryLimitsItem(TypedDict):
    of: Subject
    per: Per
    at_most: Credits


# The limits that were in force for it, with their numbers. Of a capture: for what it took beyond
# its hold. Absent if there were none.
EntryLimits = list[EntryLimitsItem]


class EntryDebit(TypedDict):
    """Credits were spent."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["debit"]
    by: Literal["user", "service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    action: NotRequired[Name]
    """Absent, like `quantity`, if credits were spent by amount."""
    quantity: NotRequired[Quantity]
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    user: NotRequired[ShortText]
    reference: NotRequired[ShortText]
    subjects: NotRequired[EntrySubjects]
    limits: NotRequired[EntryLimits]
    catalog: CatalogVersion


# The reason, for internal use: customers never see it. 1 to 256 bytes in UTF-8, without control
# characters.
Reason = str

# The reason. Absent in a customer's listing.
EntryReason = Reason

# The message to the customer, on the page, in JSON and in CSV. 1 to 256 bytes in UTF-8, without
# control characters. If it is omitted, the customer gets no message.
Message = str


class EntryGranted(TypedDict):
    """An operator granted credits."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["granted"]
    by: Literal["operator"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    grant: Literal["manual", "promotional"]
    expires_at: NotRequired[Instant]
    """Absent if the credits do not expire."""
    actor: NotRequired[Actor]
    reference: NotRequired[ShortText]
    reason: NotRequired[EntryReason]
    message: NotRequired[Message]
    catalog: CatalogVersion


class PartsItem(TypedDict):
    cause: (
        Literal["hold_ended", "expired", "renewed", "payment_disputed", "payment_refunded", "payment_reviewed", "debt_repaid"]
    )
    kind: NotRequired[GrantKind]
    """The grant that expired or arrived."""
    credits: CreditsChange
    """The change of the available credits."""
    debt: NotRequired[CreditsChange]
    """The change of the debt. Absent if there was none."""


# The effects of time, each with its cause. They sum to the entry's changes of available and of
# debt. Empty if the entry records no new effect; a customer's listing omits such an entry.
Parts = list[PartsItem]


class EntryTimePassed(TypedDict):
    """Time passed: grants arrived or expired, holds lapsed. A pending entry is not stored yet;
    its `id` and `at` belong to this answer and change when it is stored."""

    seq: Seq
    pending: NotRequired[Literal[True]]
    id: OperationId
    kind: Literal["time_passed"]
    by: Literal["scrip"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    moved: Moved
    parts: Parts
    lapsed: NotRequired[list[OperationId]]
    """The holds that lapsed. Absent if none did."""
    debt: NotRequired[CreditsChange]
    """The change of the debt: credits of a payment that could not be taken back, less
    repayments. Absent if there was none."""
    catalog: CatalogVersion


class EntryHeld(TypedDict):
    """Credits were held."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["held"]
    by: Literal["user", "service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    action: NotRequired[Name]
    """Absent, like `quantity`, if credits were held by amount."""
    quantity: NotRequired[Quantity]
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    expires_at: Instant
    user: NotRequired[ShortText]
    reference: NotRequired[ShortText]
    subjects: NotRequired[EntrySubjects]
    limits: NotRequired[EntryLimits]
    catalog: CatalogVersion


class EntryCaptured(TypedDict):
    """Held credits were spent."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["captured"]
    by: Literal["user", "service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    hold: OperationId
    action: NotRequired[Name]
    """Absent if credits were held by amount."""
    quantity: NotRequired[Quantity]
    """Absent if credits were captured by amount."""
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    credits: Credits
    """The credits spent."""
    final: bool
    """Whether this capture ended the hold."""
    beyond: NotRequired[Credits]
    """How many of the credits were taken beyond the hold. Absent if none were."""
    uncharged: NotRequired[Credits]
    """The credits that were asked for beyond the hold and not charged: the account lacked them,
    or might not spend. Absent if there are none."""
    user: NotRequired[ShortText]
    reference: NotRequired[ShortText]
    limits: NotRequired[EntryLimits]
    catalog: CatalogVersion


class EntryReleased(TypedDict):
    """Held credits were given back."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["released"]
    by: Literal["user", "service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    hold: OperationId
    user: NotRequired[ShortText]
    reference: NotRequired[ShortText]
    catalog: CatalogVersion


class EntryExtended(TypedDict):
    """A hold was extended."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["extended"]
    by: Literal["user", "service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    hold: OperationId
    expires_at: Instant
    user: NotRequired[ShortText]
    reference: NotRequired[ShortText]
    catalog: CatalogVersion


class EntryRefunded(TypedDict):
    """A debit or a capture was refunded, or a part of it."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["refunded"]
    by: Literal["service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    debit: OperationId
    credits: Amount
    """The credits requested. `available` is the credits that came back."""
    action: NotRequired[Name]
    """Absent if the debit was by amount."""
    model: NotRequired[ModelName]
    moved: NotRequired[Moved]
    """The credits that came back, by grant, if the account was advanced since the debit. Absent
    if it was not, or if nothing came back."""
    debt: NotRequired[CreditsChange]
    """The debt that would not exist without the debit. Absent if there is none."""
    user: NotRequired[str]
    """The user of the refunded debit."""
    actor: NotRequired[Actor]
    reference: NotRequired[ShortText]
    reason: NotRequired[EntryReason]
    message: NotRequired[Message]
    catalog: CatalogVersion


class EntryPlanChanged(TypedDict):
    """The plan, its status, its anchor or its seats changed, or what is due to come after them.
    `by` is `scrip` where the plan followed its subscription at Stripe, which `reference`
    names. A change that was due happens in an entry of kind `time_passed`."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["plan_changed"]
    by: Literal["operator", "scrip"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    plan: Name
    status: Status
    anchor: Day
    seats: NotRequired[Seats]
    next: NotRequired[NextPlan]
    reference: NotRequired[ShortText]
    actor: NotRequired[Actor]
    catalog: CatalogVersion


class EntryGate(TypedDict):
    """An operator froze or unfroze the account."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["frozen", "unfrozen"]
    by: Literal["operator"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    actor: NotRequired[Actor]
    reason: NotRequired[EntryReason]
    message: NotRequired[Message]
    catalog: CatalogVersion


class EntryToppedUp(TypedDict):
    """Purchased credits arrived, or came back because their money was returned to us."""

    seq: Seq
    id: OperationId
    kind: Literal["topped_up"]
    by: Literal["user", "scrip"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    order: OperationId
    due: Credits
    """The credits of the order that are due after this entry."""
    expires_at: Instant
    moved: NotRequired[Moved]
    """The credits that came back, by grant, out of those that had been taken back for the order
    or had repaid its debt. Absent if there are none."""
    cause: NotRequired[Literal["dispute_won", "refund_failed", "payment_released"]]
    """Why the credits are due again. Absent for a normal payment."""
    debt: NotRequired[CreditsChange]
    """The debt that was repaid. Absent if there was none."""
    user: NotRequired[str]
    """The buyer. Absent if the money was returned to us."""
    actor: NotRequired[str]
    """Who released the payment, if it was parked. Absent in a customer's listing."""
    reference: ShortText
    """The payment."""
    message: NotRequired[Message]
    catalog: CatalogVersion


# Why credits of a payment are taken back: the buyer disputed the payment, it was refunded, or it
# does not match its order and is under review.
TakenBack = Literal["payment_disputed", "payment_refunded", "payment_reviewed"]


class EntryReversed(TypedDict):
    """Money went back to the buyer. The `time_passed` entry that follows has the credits taken
    back, the debt and the cause. A customer's listing has that entry and omits this one."""

    seq: Seq
    id: OperationId
    kind: Literal["reversed"]
    by: Literal["scrip"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    order: OperationId
    due: Credits
    """The credits of the order that are due after this entry."""
    credits: Amount
    """The credits to be taken back."""
    cause: TakenBack
    reference: ShortText
    """The payment."""
    catalog: CatalogVersion


class EntryDebtWaived(TypedDict):
    """An operator waived the account's debt."""

    seq: Seq
    id: OperationId
    kind: Literal["debt_waived"]
    by: Literal["operator"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    key: NotRequired[Key]
    credits: Amount
    debt: CreditsChange
    actor: NotRequired[Actor]
    reason: NotRequired[EntryReason]
    message: NotRequired[Message]
    catalog: CatalogVersion


class EntryRevoked(TypedDict):
    """An operator took back what was free of one grant. A customer's listing omits an entry of 0
    credits without a message."""

    seq: Seq
    id: OperationId
    kind: Literal["revoked"]
    by: Literal["operator"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    key: NotRequired[Key]
    grant: Literal["manual", "promotional"]
    """The kind of the grant."""
    grant_id: GrantId
    credits: Credits
    """The credits that were taken back."""
    actor: NotRequired[Actor]
    reason: NotRequired[EntryReason]
    message: NotRequired[Message]
    catalog: CatalogVersion


class EntryLimitSetItem(TypedDict):
    of: Subject
    per: Per
    at_most: CreditsOrNull


class EntryLimitSet(TypedDict):
    """A limit of the account's own was set, or removed. `user` is the subject of a session."""

    seq: Seq
    id: OperationId
    kind: Literal["limit_set"]
    by: Literal["user", "service"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    key: NotRequired[Key]
    limits: list[EntryLimitSetItem]
    """The one limit, with its new number."""
    user: NotRequired[ShortText]
    actor: NotRequired[Actor]
    catalog: CatalogVersion


class EntryUnknown(TypedDict):
    """A later version of Scrip wrote the entry, and this one does not know what it did beyond
    its changes of the balance. The later version lists it by its kind."""

    seq: Seq
    id: OperationId
    key: NotRequired[Key]
    kind: Literal["unknown"]
    by: Literal["unknown"]
    at: Instant
    available: CreditsChange
    held: CreditsChange
    balance: Balance
    user: NotRequired[str]
    actor: NotRequired[Actor]
    reference: NotRequired[ShortText]
    reason: NotRequired[EntryReason]
    message: NotRequired[Message]
    catalog: CatalogVersion


Entry = (
    EntryOpened
    | EntryDebit
    | EntryGranted
    | EntryTimePassed
    | EntryHeld
    | EntryCaptured
    | EntryReleased
    | EntryExtended
    | EntryRefunded
    | EntryPlanChanged
    | EntryGate
    | EntryToppedUp
    | EntryReversed
    | EntryDebtWaived
    | EntryRevoked
    | EntryLimitSet
    | EntryUnknown
)

# A place in one account's ledger; opaque.
Cursor = str


class Listing(TypedDict):
    entries: list[Entry]
    """By number, the latest first."""
    next_cursor: Cursor | None
    """The cursor of the next entries. Null if there are none."""


class Quote(TypedDict):
    account: AccountId
    action: NotRequired[Name]
    """Absent, like all that follows up to `credits`, if the quote is for an amount."""
    quantity: NotRequired[Quantity]
    """Absent if the action is priced by model and meters."""
    model: NotRequired[ModelName]
    meters: NotRequired[Meters]
    credits: Credits
    available: Credits
    refusal: (
        Literal["account_frozen", "plan_required", "debt_outstanding", "limit_reached", "insufficient_credits", "too_many_limits"]
        | None
    )
    """The code with which a debit would be refused now. Null if it would pass."""
    catalog: CatalogVersion


class RefundReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    actor: NotRequired[Actor]
    debit: OperationId
    credits: Amount
    """The credits requested."""
    returned: Credits
    """The credits that came back."""
    seq: Seq
    at: Instant
    balance: Balance


class ReleaseReceipt(TypedDict):
    id: OperationId
    key: NotRequired[Key]
    account: AccountId
    hold: OperationId
    seq: Seq
    at: Instant
    balance: Balance


class Session(TypedDict):
    account: AccountId
    url: str
    """The URL for the customer's browser. It works once."""
    token: str
    """The token for the widget."""
    expires_at: Instant


# The number of debits and captures. A refund does not reduce it.
Count = int


class UsageByAction(TypedDict):
    action: Name | None
    """Null for credits spent by amount."""
    credits: CreditsChange
    count: Count


class UsageByModel(TypedDict):
    action: Name
    model: ModelName
    credits: CreditsChange
    count: Count


class UsageByUser(TypedDict):
    user: str | None
    """Null if the request named no user, and for the other users together."""
    others: NotRequired[Literal[True]]
    """True for the users after the first 400 of a day: they are counted together."""
    credits: CreditsChange
    count: Count


class UsageOfDay(TypedDict):
    """The actions add up to it, and so do the users."""

    day: Day
    """The day. With `per=week` the first day of the week that is not before `from`."""
    credits: CreditsChange
    actions: list[UsageByAction]
    models: list[UsageByModel]
    """The calls of models. They add up to their action, but for what was captured of it by
    amount."""
    users: list[UsageByUser]


Usage = TypedDict(
    "Usage",
    {
        "account": AccountId,
        "from": Day,
        "to": Day,
        "credits": CreditsChange,
        "days": list[UsageOfDay],
    },
)
