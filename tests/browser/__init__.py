"""The pages as people meet them: in Chromium, with and without JavaScript, by eye, by ear and by keyboard."""
