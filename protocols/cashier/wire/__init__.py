"""The cashier's whole vocabulary: every request, reply payload and event of its document.

Members stand in the document's order under the document's names. Amounts are `Amount`, the
text of a JSON number: codec.py reads them exactly and writes them without float or exponent
(X-C11). Members the document does not have stand last and are marked additive. Unknown members
of a request are ignored.
"""
