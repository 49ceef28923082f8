"""Links to the reference: names in backticks, in docstrings and on the pages of the guide.

A name that says it is ours and is not there is an error; anything else in backticks (arguments,
variables, dims) is shown as code. Names of other packages are never looked up, so that a build
needs no network.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)

_OURS = re.compile(r"(mt|mutua|pp|tl|pl|datasets|stats|errors|report|settings|models)\.[\w.]+")
_STRICT = ("index", "guide/", "reference/", "kinds/", "tutorials/")
"""Pages on which a name of ours that is not there is an error."""
_MODULES = "mutua.", "mutua.models.", "mutua.errors."


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the role of single backticks, the links of the guide, and formulas without scripts."""
    app.add_role("name", NameRole())
    app.add_transform(LinkNames)
    app.connect("missing-reference", resolve)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def reference(text: str, docname: str) -> addnodes.pending_xref:
    """Give a reference to what may be one of our names."""
    shown = nodes.literal(text, text, classes=["xref", "py"])
    target = re.sub(r"\(.*\)$", "", text)
    return addnodes.pending_xref(
        text, shown, refdomain="py", reftype="obj", reftarget=target, refdoc=docname, may_be=True
    )


class NameRole(SphinxRole):
    """What single backticks in docstrings are."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Give the reference, looked for in the module of the page first."""
        node = reference(self.text, self.env.docname)
        node["py:module"] = self.env.ref_context.get("py:module")
        node["py:class"] = self.env.ref_context.get("py:class")
        self.set_source_info(node)
        return [node], []


class LinkNames(SphinxTransform):
    """Tell names from arguments, and find the names on pages that are written by hand."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Replace references that are arguments, and literals that are names, in one document."""
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("may_be") and node["reftarget"] in arguments(node):
                node.replace_self(nodes.literal("", node.astext()))
        for node in list(self.document.findall(nodes.literal)):
            text = node.astext()
            if isinstance(node.parent, addnodes.pending_xref | nodes.reference):
                continue
            if re.fullmatch(r"(mt|mutua)\.[A-Za-z][\w.]*(\(.*\))?", text):
                link = reference(text, self.env.docname)
                link.source, link.line = node.source, node.line
                node.replace_self(link)


def arguments(node: nodes.Node) -> set[str]:
    """Give the arguments of the function whose docstring a node stands in."""
    while node.parent is not None and not isinstance(node, addnodes.desc):
        node = node.parent
    found = node.findall(addnodes.desc_parameter) if isinstance(node, addnodes.desc) else ()
    return {re.split(r"[:=]", parameter.astext())[0].strip(" *") for parameter in found}


def resolve(
    app: Sphinx,
    env: BuildEnvironment,
    node: addnodes.pending_xref,
    shown: nodes.TextElement | nodes.Text,
) -> nodes.Node | None:
    """Find a name that is written short, leave what is no name, and tell of what is not there."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    domain = env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    # A kind in the annotation of a field is named by the module that it is written in.
    short = re.sub(r"^(mt|mutua)\.(models\.\w+\.(?=[A-Z]))?", "", target)
    module = node.get("py:module") or "mutua"
    for prefix in (*_MODULES, f"{module}.", f"{module.rpartition('.')[0]}."):
        full = (prefix + short).rstrip(".")
        if full in domain.objects:
            found = domain.objects[full]
            if isinstance(shown, nodes.Element):
                shown.attributes.pop("may_be", None)
            return _link(app, node, found.docname, found.node_id, full, shown)
    if short in domain.modules or f"mutua.{short}" in domain.modules:
        found = domain.modules.get(f"mutua.{short}") or domain.modules[short]
        return _link(app, node, found.docname, found.node_id, target, shown)
    strict = node.get("refdoc", "").startswith(_STRICT) and _OURS.fullmatch(target)
    if node.get("may_be") or " " in target:
        if strict:
            logger.warning("no public name %r", target, location=node, type="ref")
        return shown
    return None


def _link(
    app: Sphinx,
    node: addnodes.pending_xref,
    docname: str,
    place: str,
    title: str,
    shown: nodes.TextElement | nodes.Text,
) -> nodes.reference:
    uri = app.builder.get_relative_uri(node["refdoc"], docname)
    uri += f"#{place}" if place else ""
    return nodes.reference("", "", shown, internal=True, refuri=uri, reftitle=title)


def visit_math(translator: Any, node: nodes.Element) -> None:
    """Write a formula inside a line."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(translator: Any, node: nodes.Element) -> None:
    """Write a formula of its own."""
    formula = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode
