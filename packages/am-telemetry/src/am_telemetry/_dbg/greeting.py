"""The exporter's side of the first messages: hello, and the proof of a secret."""

from __future__ import annotations

from .._errors import DecodeError
from . import auth, encode
from . import messages as m


class Refused(Exception):
    """The two sides will not come together, however often they try; the text says why."""


class Greeting:
    """What is said until a connection lives; values in, values out."""

    def __init__(self, hello: m.Hello, secret: bytes | None) -> None:
        self.hello = encode.encode(hello)
        """The first bytes to send."""
        self.is_over = False
        """Whether the debugger has let the exporter in."""
        self._secret = secret
        # The debugger's and the exporter's, once the secret is being proved.
        self._nonces: tuple[bytes, bytes] | None = None

    def take(self, message: m.Message) -> m.Message | None:
        """Take an answer, and return what is to be said to it, if anything.

        :raises Refused: if one side does not want the other.
        :raises DecodeError: if it is no answer to what was said.
        """
        if isinstance(message, m.Refusal):
            raise Refused(f"the debugger refuses: {message.error[:200]}")
        if self._nonces is not None and isinstance(message, m.Proof):
            self._check(message, self._nonces)
        elif self._nonces is None and isinstance(message, m.Challenge):
            return self._prove(message.nonce)
        elif self._nonces is None and isinstance(message, m.Welcome):
            if self._secret is not None:
                raise Refused("there is a secret, but the debugger does not ask for it")
            self.is_over = True
        else:
            raise DecodeError("an answer that was not asked for")
        return None

    def _prove(self, nonce: bytes) -> m.Auth:
        if self._secret is None:
            raise Refused("the debugger asks for a secret, and there is none")
        mine = auth.new_nonce()
        self._nonces = (nonce, mine)
        return m.Auth(mine, auth.client_mac(self._secret, nonce, mine, self.hello))

    def _check(self, proof: m.Proof, nonces: tuple[bytes, bytes]) -> None:
        assert self._secret is not None
        expected = auth.server_mac(self._secret, *nonces, self.hello)
        if not auth.is_same_mac(expected, proof.mac):
            raise Refused("the debugger does not know the secret")
        self.is_over = True
