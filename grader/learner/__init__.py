"""A learner's workspace: started, watched."""
