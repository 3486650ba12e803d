"""The operators of the ONNX domain `tosa`: one folder each, holding everything there is to know about it.

TokenImportance     how much the sampled queries of a standard layer look at each token
TokenGather         the kept tokens out of the full set, and their first LayerNorm
SelectiveAttention  attention among the kept tokens
TokenScatter        the last residual of the kept tokens, and their way back into the full set
"""

from tosa_edge.plugins.operator import DOMAIN, OPSET, PLUGIN_NAMESPACE, PLUGIN_VERSION, VERSION, Operator
from tosa_edge.plugins.selective_attention import SELECTIVE_ATTENTION, SELECTIVE_ATTENTION_FUSED
from tosa_edge.plugins.token_gather import TOKEN_GATHER
from tosa_edge.plugins.token_importance import TOKEN_IMPORTANCE, TOKEN_IMPORTANCE_PREVIOUS
from tosa_edge.plugins.token_scatter import TOKEN_SCATTER

OPERATORS = (TOKEN_IMPORTANCE, TOKEN_GATHER, SELECTIVE_ATTENTION, TOKEN_SCATTER)

__all__ = [
    "DOMAIN",
    "OPERATORS",
    "OPSET",
    "PLUGIN_NAMESPACE",
    "PLUGIN_VERSION",
    "SELECTIVE_ATTENTION",
    "SELECTIVE_ATTENTION_FUSED",
    "TOKEN_GATHER",
    "TOKEN_IMPORTANCE",
    "TOKEN_IMPORTANCE_PREVIOUS",
    "TOKEN_SCATTER",
    "VERSION",
    "Operator",
]
