"""The fixed values that the estate is built from: models, places, names, programs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model of device."""

    manufacturer: str
    model: str
    line: str
    type: str
    platform: str
    memory_gb: tuple[int, ...]
    weight: float


MODELS = (
    Model("Lenovo", "20W0X", "ThinkPad T14 Gen 2", "laptop", "Windows", (16, 32), 26),
    Model("Lenovo", "21HDX", "ThinkPad T14 Gen 4", "laptop", "Windows", (16, 32), 18),
    Model("Dell Inc.", "Latitude 7440", "Latitude", "laptop", "Windows", (16, 32), 16),
    Model("HP", "EliteBook 840 G9", "EliteBook", "laptop", "Windows", (8, 16), 10),
    Model("Dell Inc.", "OptiPlex 7010", "OptiPlex", "desktop", "Windows", (8, 16), 10),
    Model("HP", 'Z2 Tower G9 24" Bundle', "Z Workstation", "desktop", "Windows", (64, 128), 3),
    # The manufacturer name of HP's computers until 2015, still found in old estates.
    Model("Hewlett-Packard", "HP EliteBook 840 G2", "EliteBook", "laptop", "Windows", (8,), 4),
    Model("VMware, Inc.", "VMware7,1", "VMware Virtual Platform", "virtual", "Windows", (8,), 6),
    Model("Microsoft Corporation", "Virtual Machine", "Azure", "virtual", "Windows", (8, 16), 4),
    Model("Apple Inc.", "MacBookPro18,3", "MacBook Pro", "laptop", "macOS", (16, 32), 5),
    Model("Apple Inc.", "Mac14,2", "MacBook Air", "laptop", "macOS", (8, 16), 2),
)

# name, build as a version array, share within the platform
WINDOWS = (
    ("Windows 11 Enterprise 23H2", (22631, 4169), 40.0),
    ("Windows 11 Enterprise 23H2", (22631, 4317), 20.0),
    ("Windows 11 Enterprise 24H2", (26100, 2033), 20.0),
    ("Windows 10 Enterprise 22H2", (19045, 4894), 20.0),
)
MACOS = (("macOS Sonoma", (14, 7, 1), 60.0), ("macOS Sequoia", (15, 1), 40.0))

COLLECTORS = ((24, 9, 2, 31), (24, 10, 1, 19), (24, 11, 1, 4))


@dataclass(frozen=True, slots=True)
class EstateSite:
    """One site, and how many hours it is ahead of UTC."""

    site: str
    city: str
    state: str
    country: str
    code: str
    hours_ahead: int
    isp: str
    weight: float


PLACES = (
    EstateSite("Zürich", "Zürich", "Zürich", "Switzerland", "CH", 1, "Swisscom (Schweiz) AG", 30),
    EstateSite("Genève", "Genève", "Genève", "Switzerland", "CH", 1, "Sunrise GmbH", 15),
    EstateSite("München", "München", "Bayern", "Germany", "DE", 1, "Deutsche Telekom AG", 18),
    EstateSite("Kraków", "Kraków", "Małopolskie", "Poland", "PL", 1, "Orange Polska S.A.", 12),
    EstateSite("London, Docklands", "London", "England", "United Kingdom", "GB", 0, "BT", 12),
    EstateSite(
        "Boston", "Boston, MA", "Massachusetts", "United States", "US", -5, "Comcast Cable, LLC", 10
    ),
    EstateSite("東京", "東京", "東京都", "Japan", "JP", 9, "NTT", 3),
)

FIRST_NAMES = (
    "Anna", "Jörg", "Zoë", "François", "Łukasz", "Ayşe", "Noah", "Mia", "Søren", "Chloé",
    "Björn", "María", "Ivan", "Sinéad", "太郎", "Leila", "Paweł", "Grace", "Dmitrij", "Renée",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "O'Brien", "Nowak", "García", "Dubois", "Weiß", "Kowalski", "Smith", "Ångström",
    "Rossi", "Çelik", "山田", "Favre", "Lindqvist", "Meier", "d'Alembert", "Jones", "Żak",
)  # fmt: skip
# The names above in ASCII, for accounts and addresses.
FIRST_ACCOUNTS = (
    "anna", "joerg", "zoe", "francois", "lukasz", "ayse", "noah", "mia", "soren", "chloe",
    "bjorn", "maria", "ivan", "sinead", "taro", "leila", "pawel", "grace", "dmitrij", "renee",
)  # fmt: skip
LAST_ACCOUNTS = (
    "mueller", "obrien", "nowak", "garcia", "dubois", "weiss", "kowalski", "smith", "angstrom",
    "rossi", "celik", "yamada", "favre", "lindqvist", "meier", "dalembert", "jones", "zak",
)  # fmt: skip

DEPARTMENTS = ("Finance", "Sales", "R&D", "IT, Operations", "Human Resources", "Legal")
# Two of these are meant to break a careless CSV reader.
JOB_TITLES = (
    "Engineer", "Senior Engineer", "Accountant", "Account Manager", "Director, EMEA",
    'Expert "Level 3"', "Head of\nOperations", "Analyst", "Counsel", "Recruiter",
)  # fmt: skip


AI_TOOLS = ("Microsoft 365 Copilot", "ChatGPT", "Gemini", "Claude")
GUIDES = ("Expense report", "New hire", "Password reset")


@dataclass(frozen=True, slots=True)
class Program:
    """One program; `system` ones run under no person's account."""

    name: str
    product: str
    company: str
    category: str
    platform: str
    versions: tuple[tuple[int, ...], ...]
    memory_mb: int
    weight: float
    application: str | None = None
    system: bool = False
    has_interface: bool = True


PROGRAMS = (
    Program("ms-teams.exe", "Microsoft Teams", "Microsoft Corporation", "Collaboration", "Windows",
            ((24, 257, 1), (24, 277, 2), (24, 295, 0)), 820, 14, "Microsoft Teams"),
    Program("outlook.exe", "Microsoft Outlook", "Microsoft Corporation", "Productivity", "Windows",
            ((16, 0, 17928), (16, 0, 18129)), 410, 12, "Microsoft Outlook"),
    Program("chrome.exe", "Google Chrome", "Google LLC", "Browser", "Windows",
            ((129, 0, 6668), (130, 0, 6723), (131, 0, 6778)), 960, 14, "Google Chrome"),
    Program("msedge.exe", "Microsoft Edge", "Microsoft Corporation", "Browser", "Windows",
            ((130, 0, 2849), (131, 0, 2903)), 700, 10, "Microsoft Edge"),
    Program("excel.exe", "Microsoft Excel", "Microsoft Corporation", "Productivity", "Windows",
            ((16, 0, 17928), (16, 0, 18129)), 380, 8, "Microsoft Excel"),
    Program("zoom.exe", "Zoom Workplace", "Zoom Video Communications, Inc.", "Collaboration",
            "Windows", ((6, 2, 3), (6, 2, 7)), 420, 6, "Zoom"),
    Program("saplogon.exe", "SAP GUI for Windows", "SAP SE", "Business", "Windows",
            ((8000, 1, 8), (7700, 2, 15)), 150, 4, "SAP GUI"),
    Program("explorer.exe", "Windows Explorer", "Microsoft Corporation", "System", "Windows",
            ((10, 0, 22621), (10, 0, 26100)), 140, 8),
    Program("svchost.exe", "Host Process", "Microsoft Corporation", "System", "Windows",
            ((10, 0, 22621), (10, 0, 26100)), 60, 12, system=True, has_interface=False),
    Program("MsMpEng.exe", "Microsoft Defender", "Microsoft Corporation", "Security", "Windows",
            ((4, 18, 24090),), 230, 8, system=True, has_interface=False),
    Program("backup agent.exe", 'ACME "Vault" Backup', "ACME Software, Ltd.", "Backup", "Windows",
            ((3, 1, 0),), 90, 3, system=True, has_interface=False),
    Program("Microsoft Teams", "Microsoft Teams", "Microsoft Corporation", "Collaboration", "macOS",
            ((24, 277, 2), (24, 295, 0)), 760, 16, "Microsoft Teams"),
    Program("zoom.us", "Zoom Workplace", "Zoom Video Communications, Inc.", "Collaboration",
            "macOS", ((6, 2, 3),), 400, 8, "Zoom"),
    Program("Safari", "Safari", "Apple Inc.", "Browser", "macOS",
            ((17, 6), (18, 1)), 640, 12, "Safari"),
    Program("Google Chrome", "Google Chrome", "Google LLC", "Browser", "macOS",
            ((130, 0, 6723), (131, 0, 6778)), 900, 12, "Google Chrome"),
    Program("Finder", "Finder", "Apple Inc.", "System", "macOS", ((14, 7),), 120, 6),
    Program("mds_stores", "Spotlight", "Apple Inc.", "System", "macOS", ((14, 7),), 110, 8,
            system=True, has_interface=False),
)  # fmt: skip

APPLICATIONS = tuple(dict.fromkeys(p.application for p in PROGRAMS if p.application))

# name, address, how often it is used
WEB_APPLICATIONS = (
    ("Salesforce", "https://example.my.salesforce.com/lightning/", 20.0),
    ("Workday", "https://wd3.example.com/example/d/home.htmld", 10.0),
    ("SharePoint Online", "https://example.sharepoint.com/sites/finance", 25.0),
    ("Jira", "https://jira.example.com/browse/", 15.0),
    ("Réservation, salles", "https://salles.example.com/réservation?site=zürich&q=a,b", 5.0),
)

# name, priority, tags, type
MONITORS = (
    ("Application crashes increase", "critical", ("applications", "crashes"), "library"),
    ("High memory pressure", "high", ("devices",), "library"),
    ("Slow logon", "medium", ("sessions", "vdi, citrix"), "library"),
    ("Page load time degradation", "high", ("web",), "built_in"),
    ("Disque plein à 95 %", "low", (), "custom"),
)

# Who works in the product itself, with the names of accounts there.
ADMINISTRATORS = (
    "joerg.mueller0@example.com", "anna.nowak1@example.com", "service-desk@example.com",
)  # fmt: skip
# code, type, message: only the first code is published.
AUDITED = (
    (94011, "remote_action", 'Manual execution of remote action, name="Clean up disk"'),
    (90001, "account", "Sign-in to the web interface"),
    (91004, "investigation", "Investigation exported, rows=420"),
    (92010, "nql_api_query", 'NQL API query saved, name="devices"'),
    (93002, "role", "Role changed, name=Service desk, level 1"),
    (95007, "campaign", "Campaign published,\nname=How is your device?"),
)  # fmt: skip

# domain, type, country
DESTINATIONS = (
    ("teams.microsoft.com", "public", "Ireland"),
    ("outlook.office365.com", "public", "Netherlands"),
    ("files.corp.example", "private", None),
    ("example.my.salesforce.com", "public", "Germany"),
    ("cdn.example.net", "public", "United States"),
    ("proxy.corp.example", "private", None),
)


def version_text(version: tuple[int, ...]) -> str:
    """Return a version as results show it."""
    return f"[{', '.join(map(str, version))}]"
