"""The desk that is played on: its policy, its connectors, its agents."""

import concurrent.futures

DESK = "desks/kill-loop"
CHANNELS = ["CHANNEL_PHONE", "CHANNEL_CHAT", "CHANNEL_SOCIAL", "CHANNEL_EMAIL", "CHANNEL_PORTAL"]
ADAPTER = f"{DESK}/connectors/adapter"
SWITCH = f"{DESK}/connectors/switch"

# Everything that takes time takes little of it, so that a short run sees each deadline pass.
POLICY = """
queues:
  phone: {offer_timeout: 5s, wrap_up: 1s, after_contact: resolve}
  chat: {offer_timeout: 5s, wrap_up: 500ms, parallel_offers: 2, prefer: 2s}
  social: {offer_timeout: 5s, after_contact: resolve, prefer: 2s}
  email: {offer_timeout: 6s, wrap_up: 1s, prefer: 2s}
  portal: {offer_timeout: 6s, prefer: 2s}
limits:
  accept_grace: 500ms
  exclusion_after_decline: 3s
  exclusion_after_miss: 2s
  confirmation: 5s
  failure_pause: 2s
  requeue_prefer: 2s
  resume_prefer: 2s
"""

# What each connector is sent, told once more in SQL: `log_checker.addressed` asks with these settings.
CONNECTORS = {
    # Owns every ticket.
    "adapter": {"channels": CHANNELS},
    # Reaches agents by phone; owns no ticket.
    "switch": {"channels": ["CHANNEL_PHONE"]},
    # Sees everything.
    "monitor": {"reach": "CONNECTOR_REACH_DESK"},
    # Sees a part.
    "board": {
        "reach": "CONNECTOR_REACH_CHANNEL",
        "channels": ["CHANNEL_CHAT", "CHANNEL_EMAIL"],
        "kinds": ["DECISION_KIND_QUEUED", "DECISION_KIND_ASSIGNED", "DECISION_KIND_CANCELLED"],
    },
}

# These are sent every decision of each ticket they hear of; the others see gaps in ticket_seq.
WHOLE_TICKETS = {"adapter", "monitor"}

METHODS = [
    "AgentService.SendHeartbeats",
    "AgentService.SetAgentState",
    "AgentService.StartSession",
    "AgentService.EndSession",
    "AgentService.WatchSession",
    "DecisionService.GetConnector",
    "DecisionService.ListConnectors",
    "DecisionService.Subscribe",
    "OfferService.AcceptOffer",
    "OfferService.ConfirmOffer",
    "OfferService.DeclineOffer",
    "TicketService.CancelTicket",
    "TicketService.CreateTicket",
    "TicketService.EndLeg",
    "TicketService.EscalateTicket",
    "TicketService.ExplainTicket",
    "TicketService.FinishWrapUp",
    "TicketService.GetTicket",
    "TicketService.HoldTicket",
    "TicketService.ListTicketEvents",
    "TicketService.ListTickets",
    "TicketService.RequeueTicket",
    "TicketService.ResolveTicket",
    "TicketService.ResumeTicket",
]


def agent_name(number):
    return f"{DESK}/agents/agent-{number}"


def prepare(api, agents):
    """Makes the desk, and learns every descriptor that will be needed while the server comes and goes."""
    api.call("DeskService.CreateDesk", {"desk_id": "kill-loop", "desk": {"display_name": "Kill loop"}})
    api.call("PolicyService.UpdatePolicy", {"policy": {"name": f"{DESK}/policy", "source": POLICY}})
    for name, settings in CONNECTORS.items():
        create = {"parent": DESK, "connector_id": name, "connector": settings}
        api.call("DecisionService.CreateConnector", create)
    api.learn("AgentService.CreateAgent", *METHODS)
    with concurrent.futures.ThreadPoolExecutor(16) as callers:
        list(callers.map(lambda number: api.call("AgentService.CreateAgent", agent(number)), range(agents)))


def agent(number):
    return {"parent": DESK, "agent_id": f"agent-{number}", "agent": profile(number)}


def profile(number):
    """One in three answers a telephone, one in three is rung by one and accepts on a screen; one in four has tier 2."""
    agent = {"display_name": f"Agent {number}", "tier": 2 if number % 4 == 3 else 1}
    if number % 3 != 2:
        accepts = "ACCEPTS_ENDPOINT" if number % 3 == 0 else "ACCEPTS_DESKTOP"
        address = f"tel:{1000 + number}"
        agent["endpoints"] = [{"channel": "CHANNEL_PHONE", "connector": SWITCH, "address": address, "accepts": accepts}]
    if number % 5 == 4:
        agent["channels"] = [{"channel": "CHANNEL_CHAT", "weight": 50, "max": 2}]
    return agent
