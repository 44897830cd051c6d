// What stands in the field when the page opens: a dialogue of the example's world.

export const EXAMPLE_DIALOGUE = `#Person1#: Good morning, David. Would you like to go to the cinema on Thursday?
#Person2#: What is on?
#Person1#: They are showing a war film. It starts at nine o'clock.
#Person2#: I am sorry, I can't. I have no money.
#Person1#: What a pity. Maybe next time.`;
