"""What an AI request costs, in micro-dollars, by the provider's own usage numbers and genai-prices' list."""

from decimal import ROUND_HALF_UP, Decimal

from genai_prices import Usage, calc_price

SIZES = {"square": "1024x1024", "portrait": "1024x1536", "landscape": "1536x1024", "story": "1024x1536"}

# Output tokens of one picture of medium quality by size. Source: OpenAI's guide "Image generation", section "Cost and
# latency". Used for the estimate, and for the cost where a compatible service reports no usage.
PICTURE_TOKENS = {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568}
_CHARACTERS_A_TOKEN = 4  # OpenAI's rule of thumb for English


def cost_microusd(model: str, tokens_in: int, tokens_out: int, *, cached_in: int = 0) -> int:
    """Return the list price of a request; 0 for a model that is on no list (one that you run yourself, for example)."""
    if not tokens_in and not tokens_out:
        return 0
    usage = Usage(
        input_tokens=tokens_in, output_tokens=tokens_out, cache_read_tokens=min(cached_in, tokens_in)
    )
    try:
        price = calc_price(usage, model, provider_id="openai").total_price
    except LookupError:
        return 0
    return int((Decimal(price) * 1_000_000).to_integral_value(ROUND_HALF_UP))


def tokens_of(text: str) -> int:
    """Guess how many tokens a text has."""
    return len(text) // _CHARACTERS_A_TOKEN + 1
