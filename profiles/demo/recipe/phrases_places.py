"""More phrases, in the format of `phrases.py`: places, people, weather, words, the calendar."""

from __future__ import annotations

MORE_PHRASES = {
    "country capital": """
= The capital of {n} is {v}. / {v} is the capital of {n}.
~ the capital of {n} / what the capital of {n} is / which city is the capital of {n}
> What is its capital? / What is the capital? / And the capital?
! {n} has which city as its capital? / Which is the main city of {n}?
? What is the capital of {n}? / What's the capital of {n}? / Which city is the capital of {n}?
? What is the capital city of {n}? / What is {n}'s capital? / Capital of {n}?
? Name the capital of {n}. / What city is the capital of {n}? / Which city leads {n}?
? Name {n}'s capital. / {n} and its capital? / Capital city of {n} / What is the main town of {n}?
? Tell me {n}'s capital city. / Which is the capital of {n}? / Which city is the main one in {n}?
? {n} has which capital? / In {n}, which city is the capital?
""",
    "country place": """
= {n} is in {v}. / {n} is a country in {v}.
~ where {n} is / on which continent {n} is
> Where is it? / On which continent is it?
! In what part of the world does {n} lie? / Where on the map is {n}?
? Where is {n}? / Where can I find {n}? / On which continent is {n}? / What continent is {n} in?
? In which part of the world is {n}? / What is {n}? / Which continent does {n} belong to?
? In which continent is {n}? / Where does {n} lie? / Where would I find {n}?
? {n} is on which continent? / Where on earth is {n}? / Where does {n} belong?
? Where in the world does {n} lie? / Continent of {n}?
""",
    "country language": """
= People in {n} speak {v}. / In {n} people speak {v}.
~ which language people speak in {n} / what people speak in {n}
> What language do they speak there? / What do people speak there? / And the language?
! Which language would I hear in {n}? / What language is used in {n}?
? What language do people speak in {n}? / What do people speak in {n}?
? Which language is spoken in {n}? / What is the language of {n}? / How do people talk in {n}?
? What is spoken in {n}? / Which language do they speak in {n}?
? What language should I learn for {n}? / What language do people in {n} use?
? What language is spoken in {n}? / Language of {n}? / Which language do people use in {n}?
? What language would I speak in {n}?
""",
    "country fame": """
= {n} is known for {v}. / {n} is famous for {v}.
~ what {n} is known for / what is special about {n}
> What is it known for? / What can I see there? / What is special about it?
! What is there to see in {n}? / Why is {n} famous?
? What is {n} known for? / What is {n} famous for? / What can I see in {n}?
? What is special about {n}? / Why should I visit {n}? / I want to go to {n} / I am going to {n}
? I live in {n} / I was in {n} last year / Do you like {n}? / What makes {n} famous?
? What should I see in {n}? / What does {n} offer? / What is worth seeing in {n}?
? Tell me why {n} is known. / What is {n} good for? / What would I like in {n}?
? We are on a trip to {n} / Why do people know {n}? / Why is {n} special? / Why do people go to {n}?
? What can people see in {n}? / For what is {n} famous?
""",
    "country about": """
= {n} is in {place}. The capital is {v} and people speak {language}.
= {n} is known for {fame}. The capital is {v}.
> Tell me more about it. / What else do you know about it?
! Please say something about {n}.
? Tell me about {n}. / Tell me something about {n}. / What do you know about {n}? / {n}
? Let's talk about {n}. / Describe {n}. / What about {n}? / Give me some facts about {n}.
? Say something about {n}. / What is there to know about {n}? / Talk about {n}.
? Please tell me about {n}. / Please describe {n}.
""",
    "city country": """
= {n} is the capital of {v}. / {n} is in {v}.
~ where {n} is / in which country {n} is
> In which country is that?
! To which country does {n} belong? / What country has {n} as its capital?
? Where is {n}? / In which country is {n}? / What country is {n} in?
? {n} is the capital of which country? / Which country has the capital {n}? / What is {n}?
? Tell me about {n}. / What do you know about {n}? / {n} is in which country?
? Which country is {n} in? / {n} is the main city of what country?
? Of which country is {n} the capital? / In what country does {n} lie?
? Which country has {n} as its main city? / What country does {n} belong to?
""",
    "job work": """
= {a} {does}. / {p} {v}.
~ what {a} does / what {p} do
> What do they do?
! What work do {p} do? / What is the task of {a}?
? What does {a} do? / What do {p} do? / What is {a}? / What is the job of {a}?
? What is the work of {a}? / Tell me about {p}. / What do you know about {p}? / I am {a}
? I want to be {a} / My father is {a} / What is {a} there for? / What do {p} do all day?
? What does {a} do at work? / Explain the job of {a}. / What is the work of {p}?
? What work does {a} have? / What are the tasks of {p}? / What tasks does {a} have?
""",
    "job place": """
= {a} works {v}. / {p} work {v}.
~ where {a} works / where {p} work
> Where do they work? / And where do they work?
! In what place does {a} work?
? Where does {a} work? / Where do {p} work? / Where can I find {a}?
? What is the place of work of {a}? / Where are {p} at work? / Where do I meet {a}?
? What is the workplace of {a}? / In what place can I find {a}? / At what place do {p} work?
? Work place of {p}?
""",
    "feeling advice": """
= {v}
~ what to do when I am {n}
! Today I am feeling really {n} / I am feeling {n}, any advice?
? I feel {n} / I am {n} / I'm {n} / I am so {n} / I feel very {n} today / I am a little {n}
? I feel {n}. What should I do? / What can I do when I am {n}? / What should I do if I feel {n}?
? I am {n} today / I feel really {n} / I am feeling {n} / I'm feeling so {n} today
? Right now I am {n} / What helps when I am {n}? / I have been {n} all day / Help, I am {n}
? I am {n}, what now? / I feel {n}, what can I do? / Give me some advice, I am {n}
? I feel {n} right now / Any tips? I am {n} / Today I am {n} / I was feeling {n} today
? I am feeling a bit {n} / What would you do if you were {n}? / Any advice when I am {n}?
? Today I feel so {n}
""",
    "feeling cause": """
= People feel {n} {v}.
~ when people feel {n} / why people feel {n}
! When does someone feel {n}?
? When do people feel {n}? / When are people {n}? / Why do people feel {n}? / Why are people {n}?
? What makes people {n}? / What does {n} mean? / When does a person feel {n}?
? What is it like to be {n}? / In which moments are people {n}? / When does somebody feel {n}?
? When is someone {n}? / Why does someone feel {n}? / When would I feel {n}?
""",
    "weather advice": """
= When {it}, {v}. / When {it}, you should {v}.
~ what to do when {it}
> What should I do then? / What should I wear then?
! How do I dress when {it}? / Look, {it} outside
? What should I do when {it}? / What should I wear when {it}? / What do I do when {it}?
? What do I need when {it}? / {it} today / {it} here / I think {it} / What if {it}? / Today {it}
? {it} at my place / Now {it} / {it}. What should I do? / How should I dress when {it}?
? What do I put on when {it}? / Look, {it} / Tomorrow {it} / What should I put on when {it}?
? How do I dress today? {it} / {it} outside / Oh no, {it} / What do people do when {it}?
? How do people dress when {it}?
""",
    "weather what": """
= {n} is {v}.
~ what {n} is
> What is that?
! How would you explain {n}?
? What is {n}? / Explain {n}. / Tell me about {n}. / What do you know about {n}?
? Can you explain {n}? / What exactly is {n}? / Describe {n}. / What does {n} mean?
""",
    "thing what": """
= {n} is {v}.
~ what {n} is
> What is that?
! How would you explain {n}?
? What is {n}? / What's {n}? / Explain {n}. / Tell me about {n}. / What do you know about {n}?
? Describe {n}. / What does {n} do? / Can you explain {n}? / What exactly is {n}?
? What is meant by {n}? / Give me an explanation of {n}. / How do you describe {n}?
? What do you call {n}? / What does {n} mean? / Can you describe {n}?
""",
    "colour things": """
= Many things are {n}, for example {v}. / {v} are {n}.
~ what things are {n}
! Which things have the colour {n}?
? What is {n}? / What things are {n}? / Name something {n}. / Tell me something that is {n}.
? What has the colour {n}? / I like {n} / My favourite colour is {n} / Tell me about {n}.
? Which things are {n}? / Give me something {n}. / What can be {n}? / Show me {n} things.
? What has a {n} colour? / Which things are {n} in colour? / Do you know {n} things?
? What do you know that is {n}?
""",
    "colour of": """
= {n} {are} {v}. / The colour of {n} is {v}.
~ what colour {n} {are}
! Which colour is {n}?
? What colour {are} {n}? / What color {are} {n}? / Which colour has {n}?
? What is the colour of {n}? / Tell me the colour of {n}. / What colour has {n}?
? {n} {are} which colour? / Colour of {n}? / What is {n}'s colour? / {n} {are} what colour?
""",
    "colour mix": """
= {x} and {y} make {v}. / You get {v} from {x} and {y}.
~ what {x} and {y} make
! Which colour comes out of {x} and {y}?
? What do {x} and {y} make? / What colour do {x} and {y} make?
? What do you get when you mix {x} and {y}? / What happens if I mix {y} and {x}?
? How do I make {v}? / Mix {x} and {y} / What is {x} and {y}? / What comes out if I mix {x} and {y}?
? {x} plus {y}? / Which colour do you get from {x} and {y}? / {x} mixed with {y}
? What colour is {x} with {y}? / Which colour do {x} and {y} make?
? What colour comes from {x} and {y}? / {x} and {y} make which colour?
""",
    "opposite word": """
= The opposite of {n} is {v}. / {v} is the opposite of {n}.
~ the opposite of {n}
! Give me the opposite of {n}.
? What is the opposite of {n}? / What's the opposite of {n}? / Opposite of {n}?
? Which word is the opposite of {n}? / What is not {n}? / Tell me the opposite of {n}.
? What word means not {n}? / {n} and its opposite? / Give me a word that is the opposite of {n}.
? What is {n}'s opposite? / The opposite of {n}? / {n} is the opposite of what?
? What is the other side of {n}?
""",
    "day after": """
= {v} comes after {n}. / The day after {n} is {v}.
~ which day comes after {n}
! Today is {n}. What day is tomorrow?
? What day comes after {n}? / Which day is after {n}? / What comes after {n}?
? If today is {n}, what is tomorrow? / What is the day after {n}?
? What is tomorrow if today is {n}? / Which day follows {n}? / After {n} comes what?
? Today it is {n}, and tomorrow? / What is the next day after {n}?
""",
    "month after": """
= {v} comes after {n}. / The month after {n} is {v}.
~ which month comes after {n}
! Which month follows {n}?
? What month comes after {n}? / Which month is after {n}? / What comes after {n}?
? What is the month after {n}? / After {n} comes what? / What is the next month after {n}?
? Which month is next after {n}? / Which month comes next after {n}? / What month follows {n}?
? It is {n}. What is the next month?
""",
    "day before": """
= {v} comes before {n}.
~ which day comes before {n}
! What was the day before {n}?
? What day comes before {n}? / Which day is before {n}? / What comes before {n}?
? Which day was before {n}? / Before {n} comes what? / Which day comes before {n}?
? What was yesterday if today is {n}? / What is the day before {n}?
""",
    "season weather": """
= {n} is {v}. / In {n}, the weather is {v}.
~ how the weather is in {n}
> What is the weather like then?
! How does {n} feel outside?
? What is the weather like in {n}? / How is the weather in {n}? / What is {n} like?
? Is it warm in {n}? / Is {n} cold or warm? / How warm is {n}? / What weather comes in {n}?
? What is it like outside in {n}? / How is {n}? / Tell me about the weather in {n}.
""",
    "season happens": """
= In {n}, {v}.
~ what happens in {n}
> What happens then?
! What goes on in {n}?
? What happens in {n}? / What can you see in {n}? / Tell me about {n}. / What do you know about {n}?
? I like {n} / I love {n} / What do people do in {n}? / What is special about {n}?
? What does {n} bring? / What do you see in {n}? / What is nice in {n}?
""",
    "season months": """
= The months of {n} are {v}.
~ when {n} is
> When is it?
! When does {n} come?
? When is {n}? / Which months are in {n}? / What are the months of {n}? / In which months is {n}?
? In what months is {n}? / When do we have {n}? / When does {n} begin?
""",
}
