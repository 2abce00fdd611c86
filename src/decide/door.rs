//! What the door decides about a request to the API, before anything of the host is asked.
//!
//! | Module | Question it answers |
//! | --- | --- |
//! | [`forwarded`] | whom does this request come from, through proxies? |
//! | [`origin`] | is it us whom it means, and one of our pages that asks? |
//! | [`attempts`] | how long must whoever failed to log in wait? |
//! | [`permit`] | may this caller do that? |
//! | [`audit`] | what is said of it in the audit log? |

pub mod attempts;
pub mod audit;
pub mod forwarded;
pub mod origin;
pub mod permit;
