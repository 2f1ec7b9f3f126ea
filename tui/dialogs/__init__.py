"""Questions over the chat: one file and one stylesheet each."""
