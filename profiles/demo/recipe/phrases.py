"""How every kind of fact is asked and answered.

One block a kind of fact. The first character of a line says what is on it: `=` answers,
`?` questions, `+` questions that only the tuning asks, `~` questions as a clause (do you know …),
`>` follow-ups that lean on the turn before, `!` questions kept out of both trainings, which only
the measurement asks. ` / ` parts wordings.
"""

from __future__ import annotations

from .phrases_places import MORE_PHRASES

PHRASES = {
    "animal food": """
= {p} eat {v}. / {a} eats {v}.
? What do {p} eat? / What does {a} eat? / What do {p} like to eat? / What can I feed {a}?
? What food do {p} eat? / What does {a} have for dinner? / What is the favourite food of {p}?
~ what {p} eat / what {a} eats / about the food of {p}
> What do they eat? / And what do they eat? / What is their food?
! What kind of food does {a} need? / What would {a} like for lunch?
+ What do {p} feed on? / What should I give {a} to eat? / What is on the menu for {p}?
+ I want to feed {a} / What do {p} need to eat? / What do {p} hunt or gather?
+ Is there anything {p} love to eat? / What meal suits {a}?
""",
    "animal home": """
= {p} live in {v}. / {a} lives in {v}.
? Where do {p} live? / Where does {a} live? / Where can I find {a}? / Where can you see {p}?
? What is the home of {p}? / In what place do {p} live? / Where do {p} sleep?
~ where {p} live / where {a} lives / where I can find {p}
> Where do they live? / And where do they live? / Where can I find them?
! Where is the home of {a}? / Where would I look for {p}?
+ Where do {p} stay? / Where can I meet {p}? / Where could I see {a}?
+ Where should I search for {a}? / In which places are {p} at home? / Where are {p} found?
+ Where does {a} come from? / Which place do {p} call home?
""",
    "animal kind": """
= {a} is {a_kind}. / {p} are {kinds}.
? What kind of animal is {a}? / What is {a}? / What are {p}? / What type of animal are {p}?
? Which group of animals do {p} belong to?
~ what kind of animal {a} is / what {a} is
> What kind of animal is it? / What are they?
! What sort of animal is {a}? / {a} is what kind of creature?
+ Tell me what kind of animal {p} are. / How are {p} classified? / Is {a} a mammal or a bird?
+ What class of animal is {a}? / {p} are which kind of animals?
""",
    "animal colour": """
= {p} are {v}. / The colour of {p} is {v}.
? What colour are {p}? / What colour is {a}? / What color are {p}? / What color is {a}?
? Which colour do {p} have? / What do {p} look like? / How does {a} look?
~ what colour {p} are / what {p} look like
> What colour are they? / What do they look like?
! Which colour is {a}? / Tell me the colour of {p}.
+ What is the colour of {a}? / What colour does {a} have? / What colours do {p} come in?
+ Say the colour of {p}. / How do {p} look?
""",
    "animal skill": """
= {p} can {v}. / {p} are special because they can {v}.
? What can {p} do? / What can {a} do? / What is special about {p}? / What are {p} good at?
? What do {p} do? / Why are {p} special? / Tell me a fun fact about {p}.
? Do you know something interesting about {p}?
~ what {p} can do / something special about {p} / a fun fact about {p}
> What can they do? / What is special about them? / Do you know a fun fact about them?
! What is {a} good at? / What makes {p} so special?
+ What are {p} known for? / What can {a} do well? / What do {p} do best?
+ What is the talent of {a}? / Why are {p} interesting? / What trick does {a} know?
""",
    "animal young": """
= The young of {p} are called {v}. / Young {p} are called {v}.
? What are baby {p} called? / What is a baby {n} called? / What do you call the young of {p}?
? What do you call a young {n}? / What is the name for the babies of {p}?
~ what baby {p} are called
> What are their babies called? / What do you call the young ones?
! How do you call the babies of {a}? / What name do young {p} have?
+ What is the young of {a} called? / Name the young of {p}. / What do you call baby {p}?
+ The babies of {p} are called what?
""",
    "animal like": """
= I like {p} too. They can {v}. / {p} are wonderful. They can {v}.
? I like {p} / I love {p} / I have {a} / I saw {a} today / {p} are my favourite animals
? Do you like {p}? / My friend has {a} / I think {p} are cute / I want {a}
? There is {a} in my garden
! I really like {p} / Yesterday I met {a}
+ I am a fan of {p} / {p} are so sweet / My sister has {a} / We saw {p} at the zoo
+ Today I saw {a} / Last week I found {a} / {p} are great / I like {p} very much
+ Are you fond of {p}? / I dreamed of {a}
""",
    "animal about": """
= {p} are {v}. They live in {home} and eat {food}.
= {p} live in {home}. They are {v} and they can {skill}.
= {p} are {kinds}. They eat {food} and they can {skill}. They are {v}.
? Tell me about {p}. / Tell me something about {p}. / What do you know about {p}? / Describe {a}.
? {p} / Can you tell me about {p}? / I want to know about {p}. / Explain {p}.
? Let's talk about {p}. / What about {p}?
> Tell me more about them. / What else do you know about them?
! Please say something about {p}. / I would love to hear about {p}.
+ Give me some facts about {p}. / Say something about {p}. / I like to learn about {p}.
+ What is there to know about {p}? / Talk about {p}. / Write about {p}. / I am interested in {p}.
""",
    "food colour": """
= {p} {are} {v}. / The colour of {p} is {v}.
? What colour {are} {p}? / What color {are} {p}? / What colour is {a}?
? Which colour {do} {p} have? / What {do} {p} look like?
~ what colour {p} {are} / what {p} {look} like
> What colour is that? / And the colour?
! Tell me the colour of {p}. / Which colour is {a}?
+ What is the colour of {p}? / What colour does {a} have? / Say the colour of {p}.
""",
    "food taste": """
= {p} {taste} {v}. / The taste of {p} is {v}.
? What {do} {p} taste like? / How {do} {p} taste? / How does {a} taste?
? What is the taste of {p}? / {are} {p} sweet? / {are} {p} sour? / {are} {p} good?
? {do} {p} taste good?
~ how {p} {taste} / what {p} {taste} like
> How does it taste? / What does that taste like?
! What taste {do} {p} have? / Describe the taste of {p}.
+ How would you describe {p}? / What flavour {do} {p} have? / Tell me the taste of {p}.
+ {do} {p} taste nice?
""",
    "food use": """
= People {eat} {p} {v}. / You can have {p} {v}. / {p} {are} good {v}.
? How do people {eat} {p}? / How do you {eat} {p}? / What can I do with {p}?
? How should I {eat} {p}? / How can I cook {p}?
? What is the best way to {eat} {p}? / How do I prepare {a}?
~ how people {eat} {p} / how to {eat} {p}
> How do people {eat} it? / How do you {eat} that? / And how can I {eat} it?
! In what way do people {eat} {p}? / How would you serve {p}?
+ How can I serve {p}? / How {are} {p} served? / What goes with {p}?
+ What should I make with {p}? / How do I use {p}? / In which ways can I {eat} {p}?
+ What dish can I make from {p}?
""",
    "food kind": """
= {a} is {kind}. / {p} {are} {kind2}.
? What is {a}? / What kind of food is {a}? / What {are} {p}? / What kind of food {are} {p}?
? Is {a} a fruit or a vegetable?
~ what {a} is / what kind of food {a} is
> What is it? / What kind of food is that?
! What sort of food is {a}?
+ What type of food is {a}? / Is {a} a vegetable? / {are} {p} fruit?
+ Which kind of food {are} {p}?
""",
    "food like": """
= {p} {are} very good. You can have {p} {v}. / A good choice. {p} {are} good {v}.
? I like {p} / I love {p} / I ate {p} today / I want {p} / Do you like {p}? / I had {p} for lunch
? {p} {are} my favourite food / I am eating {p} / I bought {p}
! I really love {p} / We had {p} yesterday
+ We have {p} today / Yesterday I had {p} / {p} {are} great / My mother made {p}
+ I like {p} very much / I would like some {p} / Today we eat {p} / I dream of {p}
""",
    "food about": """
= {p} {are} {kind2}. The colour is {colour} and the taste is {v}.
= {p} {taste} {v}. People {eat} {p} {use}.
? Tell me about {p}. / Tell me something about {p}. / What do you know about {p}? / Describe {a}.
? {p} / Let's talk about {p}. / What about {p}?
> Tell me more about that. / What else do you know about it?
! Please say something about {p}.
+ Give me some facts about {p}. / Say something about {p}. / What is there to know about {p}?
+ Talk about {p}.
""",
    "animal eater": """
= {p} eat {v}.
? Which animal eats {v}? / What eats {v}? / Who eats {v}? / Which animals eat {v}?
! Name an animal that eats {v}.
+ Who feeds on {v}? / Which animal likes {v}? / Find an animal that eats {v}.
""",
    "animal legs": """
= {a} has {v}. / {p} have {v}.
? How many legs does {a} have? / How many legs do {p} have? / Does {a} have legs?
> How many legs do they have? / And how many legs?
! What is the number of legs of {a}?
+ Count the legs of {a}. / {a} has how many legs? / Tell me how many legs {p} have.
""",
    "animal flying": """
= {v}
? Can {p} fly? / Can {a} fly? / Do {p} fly?
> Can they fly?
! Are {p} able to fly?
+ Does {a} fly? / Is {a} able to fly? / Have you seen {p} fly? / {p} can fly, right?
""",
    "judge kind": """
= {a} is {a_kind}, so {v}.
? Is {a} {b}? / Are {p} {bs}?
! Would you call {a} {b}?
+ Do {p} count as {bs}? / {p} are {bs}, right?
""",
    "judge food": """
= {p} eat {food}, so {v}.
? Do {p} eat {b}? / Does {a} eat {b}?
! Would {a} eat {b}?
+ {p} eat {b}, right? / Can {p} eat {b}?
""",
    "judge size": """
= {v} is bigger than {small}.
? Which is bigger, {a} or {b}? / What is bigger, {a} or {b}? / Is {a} bigger than {b}?
! Who is bigger, {b} or {a}?
+ Who is larger, {a} or {b}? / Compare {a} and {b}.
""",
    "judge capital": """
= The capital of {n} is {city}, so {v}.
? Is {b} the capital of {n}? / {b} is the capital of {n}, right?
! Would you say that {b} is the capital of {n}?
""",
    "kind member": """
= {v} is {a_kind}.
? Name {a_kind}. / Tell me {a_kind}. / Do you know {a_kind}?
""",
    "kind favourite": """
= I like {p}. They can {v}.
? What is your favourite animal? / Which animal do you like? / Name an animal.
? Do you like animals? / Tell me about an animal. / Tell me something about animals.
? Which animal is the best?
""",
    "kind food": """
= I like {p}. {p} {taste} {v}.
? What is your favourite food? / Which food do you like? / Name a food. / What do you like to eat?
? Tell me about a food. / Tell me something about food. / What is your favourite dish?
""",
    "kind colour": """
= I like {n}. Think of {v}.
? What is your favourite colour? / Which colour do you like? / Name a colour.
? What is your favorite color? / Tell me about a colour. / Tell me something about colours.
""",
    "sum plus": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! Can you add up {a} + {b}? / {a} plus {b} equals what?
+ Add {a} and {b}. / What do {a} and {b} make? / The sum of {a} and {b}? / {a} and {b}?
""",
    "sum minus": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! {a} minus {b} equals what?
+ Take {b} from {a}. / {a} take away {b}? / What is {a} less {b}?
""",
    "sum times": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! {a} times {b} equals what?
+ Multiply {a} and {b}. / The product of {a} and {b}? / {a} times {b} is what?
""",
    **MORE_PHRASES,
}
