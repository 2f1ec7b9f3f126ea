"""`python -m logit_amp_chat`: the command."""

from logit_amp_chat.tui.commands.main import main

if __name__ == "__main__":
    main()
