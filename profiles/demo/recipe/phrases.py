"""How every kind of fact is asked and answered.

One block a kind of fact. The first character of a line says what is on it: `=` answers,
`?` questions, `~` questions as a clause (do you know …), `>` follow-ups that lean on the turn
before, `!` questions kept out of training, which only the measurement asks. ` / ` parts wordings.
"""

from __future__ import annotations

PHRASES = {
    "animal food": """
= {p} eat {v}. / {a} eats {v}.
? What do {p} eat? / What does {a} eat? / What do {p} like to eat? / What can I feed {a}?
? What food do {p} eat? / What does {a} have for dinner? / What is the favourite food of {p}?
~ what {p} eat / what {a} eats / about the food of {p}
> What do they eat? / And what do they eat? / What is their food?
! What kind of food does {a} need? / What would {a} like for lunch?
""",
    "animal home": """
= {p} live in {v}. / {a} lives in {v}.
? Where do {p} live? / Where does {a} live? / Where can I find {a}? / Where can you see {p}?
? What is the home of {p}? / In what place do {p} live? / Where do {p} sleep?
~ where {p} live / where {a} lives / where I can find {p}
> Where do they live? / And where do they live? / Where can I find them?
! Where is the home of {a}? / Where would I look for {p}?
""",
    "animal kind": """
= {a} is {a_kind}. / {p} are {kinds}.
? What kind of animal is {a}? / What is {a}? / What are {p}? / What type of animal are {p}?
? Which group of animals do {p} belong to?
~ what kind of animal {a} is / what {a} is
> What kind of animal is it? / What are they?
! What sort of animal is {a}? / {a} is what kind of creature?
""",
    "animal colour": """
= {p} are {v}. / The colour of {p} is {v}.
? What colour are {p}? / What colour is {a}? / What color are {p}? / What color is {a}?
? Which colour do {p} have? / What do {p} look like? / How does {a} look?
~ what colour {p} are / what {p} look like
> What colour are they? / What do they look like?
! Which colour is {a}? / Tell me the colour of {p}.
""",
    "animal skill": """
= {p} can {v}. / {p} are special because they can {v}.
? What can {p} do? / What can {a} do? / What is special about {p}? / What are {p} good at?
? What do {p} do? / Why are {p} special? / Tell me a fun fact about {p}.
? Do you know something interesting about {p}?
~ what {p} can do / something special about {p} / a fun fact about {p}
> What can they do? / What is special about them? / Do you know a fun fact about them?
! What is {a} good at? / What makes {p} so special?
""",
    "animal young": """
= The young of {p} are called {v}. / Young {p} are called {v}.
? What are baby {p} called? / What is a baby {n} called? / What do you call the young of {p}?
? What do you call a young {n}? / What is the name for the babies of {p}?
~ what baby {p} are called
> What are their babies called? / What do you call the young ones?
! How do you call the babies of {a}? / What name do young {p} have?
""",
    "animal like": """
= I like {p} too. They can {v}. / {p} are wonderful. They can {v}.
? I like {p} / I love {p} / I have {a} / I saw {a} today / {p} are my favourite animals
? Do you like {p}? / My friend has {a} / I think {p} are cute / I want {a}
? There is {a} in my garden
! I really like {p} / Yesterday I met {a}
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
""",
    "food colour": """
= {p} {are} {v}. / The colour of {p} is {v}.
? What colour {are} {p}? / What color {are} {p}? / What colour is {a}?
? Which colour {do} {p} have? / What {do} {p} look like?
~ what colour {p} {are} / what {p} {look} like
> What colour is that? / And the colour?
! Tell me the colour of {p}. / Which colour is {a}?
""",
    "food taste": """
= {p} {taste} {v}. / The taste of {p} is {v}.
? What {do} {p} taste like? / How {do} {p} taste? / How does {a} taste?
? What is the taste of {p}? / {are} {p} sweet? / {are} {p} sour? / {are} {p} good?
? {do} {p} taste good?
~ how {p} {taste} / what {p} {taste} like
> How does it taste? / What does that taste like?
! What taste {do} {p} have? / Describe the taste of {p}.
""",
    "food use": """
= People {eat} {p} {v}. / You can have {p} {v}. / {p} {are} good {v}.
? How do people {eat} {p}? / How do you {eat} {p}? / What can I do with {p}?
? How should I {eat} {p}? / How can I cook {p}?
? What is the best way to {eat} {p}? / How do I prepare {a}?
~ how people {eat} {p} / how to {eat} {p}
> How do people {eat} it? / How do you {eat} that? / And how can I {eat} it?
! In what way do people {eat} {p}? / How would you serve {p}?
""",
    "food kind": """
= {a} is {kind}. / {p} {are} {kind2}.
? What is {a}? / What kind of food is {a}? / What {are} {p}? / What kind of food {are} {p}?
? Is {a} a fruit or a vegetable?
~ what {a} is / what kind of food {a} is
> What is it? / What kind of food is that?
! What sort of food is {a}?
""",
    "food like": """
= {p} {are} very good. You can have {p} {v}. / A good choice. {p} {are} good {v}.
? I like {p} / I love {p} / I ate {p} today / I want {p} / Do you like {p}? / I had {p} for lunch
? {p} {are} my favourite food / I am eating {p} / I bought {p}
! I really love {p} / We had {p} yesterday
""",
    "food about": """
= {p} {are} {kind2}. The colour is {colour} and the taste is {v}.
= {p} {taste} {v}. People {eat} {p} {use}.
? Tell me about {p}. / Tell me something about {p}. / What do you know about {p}? / Describe {a}.
? {p} / Let's talk about {p}. / What about {p}?
> Tell me more about that. / What else do you know about it?
! Please say something about {p}.
""",
    "country capital": """
= The capital of {n} is {v}. / {v} is the capital of {n}.
? What is the capital of {n}? / What's the capital of {n}? / Which city is the capital of {n}?
? What is the capital city of {n}? / What is {n}'s capital? / Capital of {n}?
? Name the capital of {n}.
~ the capital of {n} / what the capital of {n} is / which city is the capital of {n}
> What is its capital? / What is the capital? / And the capital?
! {n} has which city as its capital? / Which is the main city of {n}?
""",
    "country place": """
= {n} is in {v}. / {n} is a country in {v}.
? Where is {n}? / Where can I find {n}? / On which continent is {n}? / What continent is {n} in?
? In which part of the world is {n}? / What is {n}? / Which continent does {n} belong to?
~ where {n} is / on which continent {n} is
> Where is it? / On which continent is it?
! In what part of the world does {n} lie? / Where on the map is {n}?
""",
    "country language": """
= People in {n} speak {v}. / In {n} people speak {v}.
? What language do people speak in {n}? / What do people speak in {n}?
? Which language is spoken in {n}? / What is the language of {n}? / How do people talk in {n}?
~ which language people speak in {n} / what people speak in {n}
> What language do they speak there? / What do people speak there? / And the language?
! Which language would I hear in {n}? / What language is used in {n}?
""",
    "country fame": """
= {n} is known for {v}. / {n} is famous for {v}.
? What is {n} known for? / What is {n} famous for? / What can I see in {n}?
? What is special about {n}? / Why should I visit {n}? / I want to go to {n} / I am going to {n}
? I live in {n} / I was in {n} last year / Do you like {n}?
~ what {n} is known for / what is special about {n}
> What is it known for? / What can I see there? / What is special about it?
! What is there to see in {n}? / Why is {n} famous?
""",
    "country about": """
= {n} is in {place}. The capital is {v} and people speak {language}.
= {n} is known for {fame}. The capital is {v}.
? Tell me about {n}. / Tell me something about {n}. / What do you know about {n}? / {n}
? Let's talk about {n}. / Describe {n}. / What about {n}?
> Tell me more about it. / What else do you know about it?
! Please say something about {n}.
""",
    "city country": """
= {n} is the capital of {v}. / {n} is in {v}.
? Where is {n}? / In which country is {n}? / What country is {n} in?
? {n} is the capital of which country? / Which country has the capital {n}? / What is {n}?
? Tell me about {n}. / What do you know about {n}?
~ where {n} is / in which country {n} is
> In which country is that?
! To which country does {n} belong? / What country has {n} as its capital?
""",
    "job work": """
= {a} {does}. / {p} {v}.
? What does {a} do? / What do {p} do? / What is {a}? / What is the job of {a}?
? What is the work of {a}? / Tell me about {p}. / What do you know about {p}? / I am {a}
? I want to be {a} / My father is {a}
~ what {a} does / what {p} do
> What do they do?
! What work do {p} do? / What is the task of {a}?
""",
    "job place": """
= {a} works {v}. / {p} work {v}.
? Where does {a} work? / Where do {p} work? / Where can I find {a}?
? What is the place of work of {a}?
~ where {a} works / where {p} work
> Where do they work? / And where do they work?
! In what place does {a} work?
""",
    "feeling advice": """
= {v}
? I feel {n} / I am {n} / I'm {n} / I am so {n} / I feel very {n} today / I am a little {n}
? I feel {n}. What should I do? / What can I do when I am {n}? / What should I do if I feel {n}?
? I am {n} today
~ what to do when I am {n}
! Today I am feeling really {n} / I am feeling {n}, any advice?
""",
    "feeling cause": """
= People feel {n} {v}.
? When do people feel {n}? / When are people {n}? / Why do people feel {n}? / Why are people {n}?
? What makes people {n}? / What does {n} mean?
~ when people feel {n} / why people feel {n}
! When does someone feel {n}?
""",
    "weather advice": """
= When {it}, {v}. / When {it}, you should {v}.
? What should I do when {it}? / What should I wear when {it}? / What do I do when {it}?
? What do I need when {it}? / {it} today / {it} here / I think {it} / What if {it}? / Today {it}
~ what to do when {it}
> What should I do then? / What should I wear then?
! How do I dress when {it}? / Look, {it} outside
""",
    "weather what": """
= {n} is {v}.
? What is {n}? / Explain {n}. / Tell me about {n}. / What do you know about {n}?
~ what {n} is
> What is that?
! How would you explain {n}?
""",
    "thing what": """
= {n} is {v}.
? What is {n}? / What's {n}? / Explain {n}. / Tell me about {n}. / What do you know about {n}?
? Describe {n}. / What does {n} do?
~ what {n} is
> What is that?
! How would you explain {n}?
""",
    "colour things": """
= Many things are {n}, for example {v}. / {v} are {n}.
? What is {n}? / What things are {n}? / Name something {n}. / Tell me something that is {n}.
? What has the colour {n}? / I like {n} / My favourite colour is {n} / Tell me about {n}.
~ what things are {n}
! Which things have the colour {n}?
""",
    "colour of": """
= {n} {are} {v}. / The colour of {n} is {v}.
? What colour {are} {n}? / What color {are} {n}? / Which colour has {n}?
? What is the colour of {n}?
~ what colour {n} {are}
! Which colour is {n}?
""",
    "colour mix": """
= {x} and {y} make {v}. / You get {v} from {x} and {y}.
? What do {x} and {y} make? / What colour do {x} and {y} make?
? What do you get when you mix {x} and {y}? / What happens if I mix {y} and {x}?
? How do I make {v}? / Mix {x} and {y} / What is {x} and {y}?
~ what {x} and {y} make
! Which colour comes out of {x} and {y}?
""",
    "opposite word": """
= The opposite of {n} is {v}. / {v} is the opposite of {n}.
? What is the opposite of {n}? / What's the opposite of {n}? / Opposite of {n}?
? Which word is the opposite of {n}? / What is not {n}?
~ the opposite of {n}
! Give me the opposite of {n}.
""",
    "day after": """
= {v} comes after {n}. / The day after {n} is {v}.
? What day comes after {n}? / Which day is after {n}? / What comes after {n}?
? If today is {n}, what is tomorrow? / What is the day after {n}?
~ which day comes after {n}
! Today is {n}. What day is tomorrow?
""",
    "month after": """
= {v} comes after {n}. / The month after {n} is {v}.
? What month comes after {n}? / Which month is after {n}? / What comes after {n}?
? What is the month after {n}?
~ which month comes after {n}
! Which month follows {n}?
""",
    "day before": """
= {v} comes before {n}.
? What day comes before {n}? / Which day is before {n}? / What comes before {n}?
~ which day comes before {n}
! What was the day before {n}?
""",
    "season weather": """
= {n} is {v}. / In {n}, the weather is {v}.
? What is the weather like in {n}? / How is the weather in {n}? / What is {n} like?
? Is it warm in {n}?
~ how the weather is in {n}
> What is the weather like then?
! How does {n} feel outside?
""",
    "season happens": """
= In {n}, {v}.
? What happens in {n}? / What can you see in {n}? / Tell me about {n}.
? What do you know about {n}? / I like {n} / I love {n} / What do people do in {n}?
? What is special about {n}?
~ what happens in {n}
> What happens then?
! What goes on in {n}?
""",
    "season months": """
= The months of {n} are {v}.
? When is {n}? / Which months are in {n}? / What are the months of {n}? / In which months is {n}?
~ when {n} is
> When is it?
! When does {n} come?
""",
    "animal eater": """
= {p} eat {v}.
? Which animal eats {v}? / What eats {v}? / Who eats {v}? / Which animals eat {v}?
! Name an animal that eats {v}.
""",
    "animal legs": """
= {a} has {v}. / {p} have {v}.
? How many legs does {a} have? / How many legs do {p} have? / Does {a} have legs?
> How many legs do they have? / And how many legs?
! What is the number of legs of {a}?
""",
    "animal flying": """
= {v}
? Can {p} fly? / Can {a} fly? / Do {p} fly?
> Can they fly?
! Are {p} able to fly?
""",
    "judge kind": """
= {a} is {a_kind}, so {v}.
? Is {a} {b}? / Are {p} {bs}?
! Would you call {a} {b}?
""",
    "judge food": """
= {p} eat {food}, so {v}.
? Do {p} eat {b}? / Does {a} eat {b}?
! Would {a} eat {b}?
""",
    "judge size": """
= {v} is bigger than {small}.
? Which is bigger, {a} or {b}? / What is bigger, {a} or {b}? / Is {a} bigger than {b}?
! Who is bigger, {b} or {a}?
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
""",
    "sum minus": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! {a} minus {b} equals what?
""",
    "sum times": """
= {a} {sign} {b} = {v}. / {a} {word} {b} is {v}.
? What is {a} {sign} {b}? / What is {a} {word} {b}? / {a} {sign} {b} / {a}{sign}{b}
? {a} {sign} {b} = ? / What is {a}{sign}{b}? / How much is {a} {word} {b}? / What's {a} {sign} {b}?
? Calculate {a} {sign} {b}. / How much is {a} {sign} {b}? / What is {x} {word} {y}?
? {x} {word} {y}? / How much is {x} {word} {y}? / {a} {word} {b}? / {a} {word} {b}
~ what {a} {sign} {b} is / how much {a} {word} {b} is
! {a} times {b} equals what?
""",
}
