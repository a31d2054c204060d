//! Every refusal and every failure, with the code, reason and details that the contract gives them.
