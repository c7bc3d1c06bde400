"""Sphinx extension: claim boxes in chapters, and the claim ledger page.

    :::{claim} R2            a box with the claim's statement, which must be word for word that of
    book/claims.yml; statement                it shows title, status and source and links to the
    claim's row in the ledger
    :::

    :::{claim-ledger}        the page with all claims: what was proved, cited and measured, with
    links to the boxes,
    :::                      the cells that measure them, the proofs, and the tests

Links both ways are ordinary labels of Sphinx's own (`claim-r2`, `ledger-r2`, `measured-r2`), so
Sphinx purges and merges them.  `lawrob_repository` ("" by default) makes the tests' names links;
`lawrob_claims` is the path of the ledger.
"""

from collections import Counter
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import ledger

log = logging.getLogger(__name__)


class _ClaimDirective(SphinxDirective):
    """What both directives share: the ledger, and text of the ledger made into nodes."""

    has_content = True

    def claims(self) -> dict[str, ledger.Claim]:
        path = Path(self.env.srcdir) / self.config.lawrob_claims
        self.env.note_dependency(str(path))
        return ledger.read_ledger(path)

    def parsed(self, text: str, *classes: str) -> nodes.container:
        """MyST text as blocks in a container."""
        box = nodes.container(classes=list(classes))
        self.state.nested_parse(
            StringList(text.splitlines(), source=self.config.lawrob_claims),
            self.content_offset,
            box,
        )
        return box

    def inline(self, text: str, *classes: str) -> nodes.paragraph:
        """MyST text of one paragraph as a paragraph."""
        box = self.parsed(text)
        paragraph = nodes.paragraph(classes=list(classes))
        for child in box.children:
            paragraph.extend(child.children if isinstance(child, nodes.paragraph) else [child])
        return paragraph

    def target(self, node: nodes.Element, label: str, title: str) -> None:
        """Make `node` the place that the label leads to."""
        node["ids"].append(label)
        self.env.get_domain("std").note_hyperlink_target(label, self.env.docname, label, title)


def _badges(claim: ledger.Claim) -> list[nodes.Node]:
    """The claim's status words, each in a frame of its own."""
    badges: list[nodes.Node] = []
    for status in claim.status:
        badges += [
            nodes.Text(" "),
            nodes.inline(text=status, classes=["claim-status", "is-" + status.split()[0]]),
        ]
    return badges


def _sources(claim: ledger.Claim) -> str:
    return "; ".join(f"{s['text']} ({s['version']})" for s in claim.source)


class ClaimBox(_ClaimDirective):
    """`{claim} ID`: the statement of one claim, in its chapter."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        claims, id = self.claims(), self.arguments[0]
        if id not in claims:
            log.warning(
                "claim %s is not in %s",
                id,
                self.config.lawrob_claims,
                location=self.get_location(),
                type="claims",
            )
            return []
        claim = claims[id]
        if not ledger.same_words("\n".join(self.content), claim.statement):
            log.warning(
                "claim %s does not say what %s says",
                id,
                self.config.lawrob_claims,
                location=self.get_location(),
                type="claims",
            )
        box = nodes.container(classes=["claim"])
        self.target(box, claim.box, f"Claim {id}")
        heading = nodes.paragraph(
            "", "", nodes.strong(text=f"Claim {id}. "), classes=["claim-title"]
        )
        heading += self.inline(claim.title).children
        heading += _badges(claim)
        statement = nodes.container(classes=["claim-statement"])
        self.state.nested_parse(self.content, self.content_offset, statement)
        box += [
            heading,
            statement,
            self.inline(
                f"Source: {_sources(claim)}. {{ref}}`Row in the ledger <{claim.row}>`",
                "claim-source",
            ),
        ]
        return [box]


class Ledger(_ClaimDirective):
    """`{claim-ledger}`: all claims, by chapter, with their evidence."""

    def run(self) -> list[nodes.Node]:
        claims = list(self.claims().values())
        result: list[nodes.Node] = [self.summary(claims)]
        for notebook in dict.fromkeys(claim.notebook for claim in claims):
            result.append(self.chapter(notebook, [c for c in claims if c.notebook == notebook]))
        return result

    def summary(self, claims: list[ledger.Claim]) -> nodes.Node:
        counts = Counter(status for claim in claims for status in claim.status)
        words = ", ".join(f"{counts[status]} × {status}" for status in ledger.STATUSES)
        return self.inline(
            f"**{len(claims)} claim{'s' * (len(claims) != 1)}**: {words}. One claim can have "
            f"several statuses.",
            "ledger-summary",
        )

    def chapter(self, notebook: str, claims: list[ledger.Claim]) -> nodes.Node:
        path = Path(self.env.srcdir) / f"{notebook}.ipynb"
        title = notebook
        if path.exists():
            self.env.note_dependency(str(path))
            title = ledger.Chapter.read(path).title or notebook
        section = nodes.section(
            "", nodes.title(text=title), ids=[nodes.make_id(f"claims-of-{Path(notebook).name}")]
        )
        self.state.document.note_explicit_target(section)
        section.extend(self.row(claim) for claim in claims)
        return section

    def row(self, claim: ledger.Claim) -> nodes.Node:
        card = nodes.container(classes=["ledger-row"])
        self.target(card, claim.row, f"Claim {claim.id}")
        heading = self.inline(f"{{ref}}`{claim.id} <{claim.box}>`", "claim-title")
        heading += [nodes.Text(" "), *self.inline(claim.title).children, *_badges(claim)]
        card += [heading, self.parsed(claim.statement, "claim-statement")]
        facts = nodes.definition_list(classes=["ledger-facts"])
        for term, body in self.facts(claim):
            definition = nodes.definition("", *body)
            facts += nodes.definition_list_item("", nodes.term(text=term), definition)
        card += facts
        return card

    def facts(self, claim: ledger.Claim) -> list[tuple[str, list[nodes.Node]]]:
        """(term, nodes) of what stands below a claim's statement in the ledger."""
        evidence = claim.evidence
        lines = [("Source", [_sources(claim)]), ("Assumptions", [claim.assumptions])]
        lines.append(
            (
                "Proof",
                [", ".join(f"{{prf:ref}}`{label}`" for label in evidence.get("proved here") or [])],
            )
        )
        lines.append(
            ("Cited", [", ".join(f"{{cite:t}}`{key}`" for key in evidence.get("cited") or [])])
        )
        measured = [f"{m['quantity']}: **{m['value']}**" for m in evidence.get("measured") or []]
        lines.append(
            ("Measured", [*measured, f"{{ref}}`the cell that measures it <{claim.cell}>`"])
        )
        if evidence.get("fails outside its assumptions"):
            lines.append(("Where it fails", [f"{{ref}}`shown in the chapter <{claim.box}>`"]))
        found = [(term, [self.inline(text) for text in texts if text]) for term, texts in lines]
        return [
            *((t, b) for t, b in found if b),
            ("Tests", [self.test(node) for node in claim.tests]),
        ]

    def test(self, node: str) -> nodes.Node:
        name = nodes.literal(text=node)
        repository = self.config.lawrob_repository.rstrip("/")
        if repository:
            name = nodes.reference(
                "", "", name, refuri=f"{repository}/blob/main/{node.split('::')[0]}", internal=False
            )
        return nodes.paragraph("", "", name, classes=["ledger-test"])


def label_measuring_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Give the first code cell with the tag `claim:ID` the label that the ledger links to."""
    seen = set()
    for cell in doctree.findall(nodes.container):
        for tag in (cell.get("cell_metadata") or {}).get("tags", []):
            if tag.startswith("claim:") and tag not in seen:
                seen.add(tag)
                label = f"measured-{tag[6:].lower()}"
                cell["ids"].append(label)
                app.env.get_domain("std").note_hyperlink_target(
                    label, app.env.docname, label, f"measurement of {tag[6:]}"
                )


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register directives, configuration and style with Sphinx."""
    app.add_config_value("lawrob_claims", "book/claims.yml", "env", [str])
    if "lawrob_repository" not in app.config:
        app.add_config_value("lawrob_repository", "", "env", [str])
    app.add_directive("claim", ClaimBox)
    app.add_directive("claim-ledger", Ledger)
    app.connect("doctree-read", label_measuring_cells)
    app.connect(
        "builder-inited",
        lambda app: app.config.html_static_path.append(
            str(Path(__file__).parent / "claims_static")
        ),
    )
    app.add_css_file("claims.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
