"""One file a section: a function from Results to a Section, registered by `@section(order=…)`."""
