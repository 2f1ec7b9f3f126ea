"""How every kind of fact is asked and answered.

One block a kind of fact. The first character of a line says what is on it: `=` answers,
`?` questions, `~` questions as a clause (do you know …), `>` follow-ups that lean on the turn
before, `!` questions kept out of both trainings, which only the measurement asks. ` / ` parts
wordings.
"""

from __future__ import annotations

from .phrases_places import MORE_PHRASES

PHRASES = {
    "animal food": """
= {p} eat {v}. / {a} eats {v}.
~ what {p} eat / what {a} eats / about the food of {p}
> What do they eat? / And what do they eat? / What is their food?
! What kind of food does {a} need? / What would {a} like for lunch?
? What do {p} eat? / What does {a} eat? / What do {p} like to eat? / What can I feed {a}?
? What food do {p} eat? / What does {a} have for dinner? / What is the favourite food of {p}?
? What do {p} feed on? / What should I give {a} to eat? / What is on the menu for {p}?
? I want to feed {a} / What do {p} need to eat? / What do {p} hunt or gather?
? Is there anything {p} love to eat? / What meal suits {a}? / Food of {p}?
? What does {a} like best to eat? / {p}: what do they eat? / What is good food for {p}?
? What food would {p} choose? / What do {p} have for lunch?
""",
    "animal home": """
= {p} live in {v}. / {a} lives in {v}.
~ where {p} live / where {a} lives / where I can find {p}
> Where do they live? / And where do they live? / Where can I find them?
! Where is the home of {a}? / Where would I look for {p}?
? Where do {p} live? / Where does {a} live? / Where can I find {a}? / Where can you see {p}?
? What is the home of {p}? / In what place do {p} live? / Where do {p} sleep? / Where do {p} stay?
? Where can I meet {p}? / Where could I see {a}? / Where should I search for {a}?
? In which places are {p} at home? / Where are {p} found? / Where does {a} come from?
? Which place do {p} call home? / Where would I find {p}? / Home of {p}? / Where would I see {a}?
? Where are {p} to be seen? / I am looking for {p}. Where are they?
""",
    "animal kind": """
= {a} is {a_kind}. / {p} are {kinds}.
~ what kind of animal {a} is / what {a} is
> What kind of animal is it? / What are they?
! What sort of animal is {a}? / {a} is what kind of creature?
? What kind of animal is {a}? / What is {a}? / What are {p}? / What type of animal are {p}?
? Which group of animals do {p} belong to? / Tell me what kind of animal {p} are.
? How are {p} classified? / Is {a} a mammal or a bird? / What class of animal is {a}?
? {p} are which kind of animals? / Which kind of animal is {a}? / What kind of creature are {p}?
? To which group of animals does {a} belong? / {a} is what type of animal?
""",
    "animal colour": """
= {p} are {v}. / The colour of {p} is {v}.
~ what colour {p} are / what {p} look like
> What colour are they? / What do they look like?
! Which colour is {a}? / Tell me the colour of {p}.
? What colour are {p}? / What colour is {a}? / What color are {p}? / What color is {a}?
? Which colour do {p} have? / What do {p} look like? / How does {a} look?
? What is the colour of {a}? / What colour does {a} have? / What colours do {p} come in?
? Say the colour of {p}. / How do {p} look? / Colour of {p}? / {a} has which colour?
""",
    "animal skill": """
= {p} can {v}. / {p} are special because they can {v}.
~ what {p} can do / something special about {p} / a fun fact about {p}
> What can they do? / What is special about them? / Do you know a fun fact about them?
! What is {a} good at? / What makes {p} so special?
? What can {p} do? / What can {a} do? / What is special about {p}? / What are {p} good at?
? What do {p} do? / Why are {p} special? / Tell me a fun fact about {p}.
? Do you know something interesting about {p}? / What are {p} known for? / What can {a} do well?
? What do {p} do best? / What is the talent of {a}? / Why are {p} interesting?
? What trick does {a} know? / What is {a} able to do? / What is so special about {p}?
? What are the skills of {a}? / What is {a} known for?
""",
    "animal young": """
= The young of {p} are called {v}. / Young {p} are called {v}.
~ what baby {p} are called
> What are their babies called? / What do you call the young ones?
! How do you call the babies of {a}? / What name do young {p} have?
? What are baby {p} called? / What is a baby {n} called? / What do you call the young of {p}?
? What do you call a young {n}? / What is the name for the babies of {p}?
? What is the young of {a} called? / Name the young of {p}. / What do you call baby {p}?
? The babies of {p} are called what? / How do people call a young {n}?
? What is the name of a baby {n}? / What are the babies of {p} called?
""",
    "animal like": """
= I like {p} too. They can {v}. / {p} are wonderful. They can {v}.
! I really like {p} / Yesterday I met {a}
? I like {p} / I love {p} / I have {a} / I saw {a} today / {p} are my favourite animals
? Do you like {p}? / My friend has {a} / I think {p} are cute / I want {a}
? There is {a} in my garden / I am a fan of {p} / {p} are so sweet / My sister has {a}
? We saw {p} at the zoo / Today I saw {a} / Last week I found {a} / {p} are great
? I like {p} very much / Are you fond of {p}? / I dreamed of {a} / Yesterday I saw {a}
? We have {a} at home
""",
    "animal about": """
= {p} are {v}. They live in {home} and eat {food}.
= {p} live in {home}. They are {v} and they can {skill}.
= {p} are {kinds}. They eat {food} and they can {skill}. They are {v}.
> Tell me more about them. / What else do you know about them?
! Please say something about {p}. / I would love to hear about {p}.
? Tell me about {p}. / Tell me something about {p}. / What do you know about {p}? / Describe {a}.
? {p} / Can you tell me about {p}? / I want to know about {p}. / Explain {p}.
? Let's talk about {p}. / What about {p}? / Give me some facts about {p}. / Say something about {p}.
? I like to learn about {p}. / What is there to know about {p}? / Talk about {p}. / Write about {p}.
? I am interested in {p}. / Please tell me about {p}. / I would like to hear something about {p}.
? Please describe {p}. / Please talk about {p}.
""",
    "food colour": """
= {p} {are} {v}. / The colour of {p} is {v}.
~ what colour {p} {are} / what {p} {look} like
> What colour is that? / And the colour?
! Tell me the colour of {p}. / Which colour is {a}?
? What colour {are} {p}? / What color {are} {p}? / What colour is {a}? / Which colour {do} {p} have?
? What {do} {p} look like? / What is the colour of {p}? / What colour does {a} have?
? Say the colour of {p}. / Colour of {p}? / {a} has which colour?
""",
    "food taste": """
= {p} {taste} {v}. / The taste of {p} is {v}.
~ how {p} {taste} / what {p} {taste} like
> How does it taste? / What does that taste like?
! What taste {do} {p} have? / Describe the taste of {p}.
? What {do} {p} taste like? / How {do} {p} taste? / How does {a} taste? / What is the taste of {p}?
? {are} {p} sweet? / {are} {p} sour? / {are} {p} good? / {do} {p} taste good?
? How would you describe {p}? / What flavour {do} {p} have? / Tell me the taste of {p}.
? {do} {p} taste nice? / What is {a} like to taste? / Taste of {p}? / Describe how {p} {taste}.
""",
    "food use": """
= People {eat} {p} {v}. / You can have {p} {v}. / {p} {are} good {v}.
~ how people {eat} {p} / how to {eat} {p}
> How do people {eat} it? / How do you {eat} that? / And how can I {eat} it?
! In what way do people {eat} {p}? / How would you serve {p}?
? How do people {eat} {p}? / How do you {eat} {p}? / What can I do with {p}?
? How should I {eat} {p}? / How can I cook {p}? / What is the best way to {eat} {p}?
? How do I prepare {a}? / How can I serve {p}? / How {are} {p} served? / What goes with {p}?
? What should I make with {p}? / How do I use {p}? / In which ways can I {eat} {p}?
? What dish can I make from {p}? / How would you {eat} {p}? / What would you do with {p}?
? Ways to {eat} {p}?
""",
    "food kind": """
= {a} is {kind}. / {p} {are} {kind2}.
~ what {a} is / what kind of food {a} is
> What is it? / What kind of food is that?
! What sort of food is {a}?
? What is {a}? / What kind of food is {a}? / What {are} {p}? / What kind of food {are} {p}?
? Is {a} a fruit or a vegetable? / What type of food is {a}? / Is {a} a vegetable?
? {are} {p} fruit? / Which kind of food {are} {p}? / What sort of thing is {a}?
? Of what kind {are} {p}? / To which kind of food {do} {p} belong? / {a} is what kind of food?
""",
    "food like": """
= {p} {are} very good. You can have {p} {v}. / A good choice. {p} {are} good {v}.
! I really love {p} / We had {p} yesterday
? I like {p} / I love {p} / I ate {p} today / I want {p} / Do you like {p}? / I had {p} for lunch
? {p} {are} my favourite food / I am eating {p} / I bought {p} / We have {p} today
? Yesterday I had {p} / {p} {are} great / My mother made {p} / I like {p} very much
? I would like some {p} / Today we eat {p} / I dream of {p} / We had {p} for dinner / We ate {p}
? I really want {p} / Yesterday we ate {p}
""",
    "food about": """
= {p} {are} {kind2}. The colour is {colour} and the taste is {v}.
= {p} {taste} {v}. People {eat} {p} {use}.
> Tell me more about that. / What else do you know about it?
! Please say something about {p}.
? Tell me about {p}. / Tell me something about {p}. / What do you know about {p}? / Describe {a}.
? {p} / Let's talk about {p}. / What about {p}? / Give me some facts about {p}.
? Say something about {p}. / What is there to know about {p}? / Talk about {p}.
? Please tell me about {p}. / Please describe {p}.
""",
    "animal eater": """
= {p} eat {v}.
! Name an animal that eats {v}.
? Which animal eats {v}? / What eats {v}? / Who eats {v}? / Which animals eat {v}?
? Who feeds on {v}? / Which animal likes {v}? / Find an animal that eats {v}.
? Do you know an animal that eats {v}? / Tell me who eats {v}. / Is there an animal that eats {v}?
""",
    "animal legs": """
= {a} has {v}. / {p} have {v}.
> How many legs do they have? / And how many legs?
! What is the number of legs of {a}?
~ how many legs {a} has / how many legs {p} have
? How many legs does {a} have? / How many legs do {p} have? / Does {a} have legs?
? Count the legs of {a}. / {a} has how many legs? / Tell me how many legs {p} have.
? What number of legs does {a} have? / Number of legs of {p}? / How many legs are there on {a}?
? Legs of {p}?
""",
    "animal flying": """
= {v}
> Can they fly?
! Are {p} able to fly?
~ whether {p} can fly / if {a} can fly
? Can {p} fly? / Can {a} fly? / Do {p} fly? / Does {a} fly? / Is {a} able to fly?
? Have you seen {p} fly? / {p} can fly, right? / Could {a} fly? / Is it true that {p} can fly?
? Are there {p} that fly? / Is flying easy for {p}? / Would {a} fly away?
? Do you think {p} can fly?
""",
    "judge kind": """
= {a} is {a_kind}, so {v}.
! Would you call {a} {b}?
~ whether {a} is {b} / if {p} are {bs}
? Is {a} {b}? / Are {p} {bs}? / Do {p} count as {bs}? / {p} are {bs}, right?
? Do you think {a} is {b}? / Is it true that {a} is {b}? / Could {a} be {b}? / {a} is {b}, isn't it?
? Can you say that {a} is {b}? / True or false: {a} is {b}. / I think {a} is {b}.
? Would it be right to say that {a} is {b}? / So {a} is {b}?
""",
    "judge food": """
= {p} eat {food}, so {v}.
! Would {a} eat {b}?
~ whether {p} eat {b} / if {a} eats {b}
? Do {p} eat {b}? / Does {a} eat {b}? / {p} eat {b}, right? / Can {p} eat {b}?
? Do you think {p} eat {b}? / Is it true that {a} eats {b}? / Could {a} eat {b}? / So {p} eat {b}?
? True or false: {p} eat {b}. / I think {p} eat {b}. / Would {p} like {b}? / Does {a} like {b}?
? Is {b} food for {a}? / Should I give {b} to {a}? / Would you feed {b} to {a}?
""",
    "judge size": """
= {v} is bigger than {small}.
! Who is bigger, {b} or {a}?
~ which is bigger, {a} or {b} / who is larger, {b} or {a}
? Which is bigger, {a} or {b}? / What is bigger, {a} or {b}? / Is {a} bigger than {b}?
? Who is larger, {a} or {b}? / Compare {a} and {b}. / Who is the bigger one, {a} or {b}?
? Is {b} smaller than {a}? / Which one is larger, {b} or {a}? / Which animal is bigger, {b} or {a}?
? What is larger, {b} or {a}? / Which of the two is bigger, {a} or {b}?
""",
    "judge capital": """
= The capital of {n} is {city}, so {v}.
! Would you say that {b} is the capital of {n}?
~ whether {b} is the capital of {n} / if {b} is the capital of {n}
? Is {b} the capital of {n}? / {b} is the capital of {n}, right?
? Do you think that {b} is the capital of {n}? / Is it true that {b} is the capital of {n}?
? True or false: {b} is the capital of {n}. / I think {b} is the capital of {n}.
? Can you say that {b} is the capital of {n}? / So {b} is the capital of {n}?
? Could {b} be {n}'s capital? / Would it be right to say {b} is the capital of {n}?
? Is the capital of {n} {b}?
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
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! Can you add up {a} + {b}? / {a} plus {b} equals what?
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
? Add {a} and {b}. / What do {a} and {b} make? / The sum of {a} and {b}? / {a} and {b}?
? Add up {a} and {b}. / Can you work out {a} + {b}? / {a} + {b} makes what? / {x} and {y} is what?
? What does {a} plus {b} equal? / What is the sum of {a} and {b}? / Can you tell me {a} plus {b}?
? Please add {a} + {b}. / Please calculate {a} + {b}
""",
    "sum minus": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! {a} minus {b} equals what?
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
? Take {b} from {a}. / {a} take away {b}? / What is {a} less {b}? / Can you work out {a} - {b}?
? {a} - {b} makes what? / What does {a} minus {b} equal? / Can you tell me {a} minus {b}?
? Please calculate {a} - {b} / What is left when I take {b} from {a}? / Can you take {b} from {a}?
""",
    "sum times": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! {a} times {b} equals what?
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
? Multiply {a} and {b}. / The product of {a} and {b}? / {a} times {b} is what?
? Can you multiply {a} and {b}? / Can you work out {a} x {b}? / {a} x {b} makes what?
? What does {a} times {b} equal? / Can you tell me {a} times {b}? / Please calculate {a} x {b}
? What is the product of {a} and {b}?
""",
    **MORE_PHRASES,
}
