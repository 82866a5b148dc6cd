"""What each message does, by topic. A handler returns its reply or raises Refused."""
