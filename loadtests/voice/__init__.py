"""Synthetic voice clients: public protocols only (SDP, ICE, DTLS-SRTP, RTP, RTCP), cheap enough that one core
receives what a whole company's session hears."""
