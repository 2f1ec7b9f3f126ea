"""More of the hand-written world: colours, words, the calendar, things, single questions."""

# ruff: noqa: E501 -- a thing is a line

from __future__ import annotations

from .tables import rows

# colour | things that have it
COLOURS = rows("""
red|tomatoes, cherries and fire trucks
blue|the sky and the sea
green|grass, leaves and frogs
yellow|the sun, lemons and bananas
orange|carrots, pumpkins and the evening sky
white|snow, milk and clouds
black|coal, crows and the night
brown|earth, bread and bears
pink|flamingos, pigs and some roses
purple|grapes, plums and violets
grey|elephants, stones and rain clouds
golden|honey, corn and autumn leaves
""")

# first colour | second colour | what they make
MIXES = rows("""
blue|yellow|green
red|yellow|orange
red|blue|purple
red|white|pink
black|white|grey
red|green|brown
blue|white|light blue
""")

# thing | verb | its colour
COLOURED = rows("""
the sky|is|blue
the sun|is|yellow
the sea|is|blue
the moon|is|white and grey
grass|is|green
snow|is|white
blood|is|red
coal|is|black
the night|is|black
a cloud|is|white or grey
a fire|is|red and orange
a rainbow|is|red, orange, yellow, green, blue and purple
a rose|is|red, pink or white
sand|is|yellow
a tree|is|green and brown
an autumn leaf|is|yellow, red or brown
""")

# word | opposite
OPPOSITES = rows("""
hot|cold
big|small
fast|slow
happy|sad
day|night
up|down
old|young
new|old
good|bad
wet|dry
light|dark
full|empty
loud|quiet
hard|soft
high|low
long|short
early|late
open|closed
rich|poor
strong|weak
clean|dirty
near|far
left|right
black|white
easy|difficult
first|last
sweet|sour
warm|cool
thick|thin
inside|outside
""")

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip

# season | weather | what happens | months
SEASONS = rows("""
spring|mild and fresh|flowers open and birds build nests|March, April and May
summer|hot and sunny|people swim and eat ice cream|June, July and August
autumn|cool and windy|leaves fall and apples are ripe|September, October and November
winter|cold and snowy|lakes freeze and bears sleep|December, January and February
""")

# question, in some wordings | answer
SINGLES = rows("""
Which animal is the biggest? / What is the largest animal? / Which animal is the largest?|The whale is the biggest animal.
Which animal is the smallest? / What is the smallest animal?|The ant is one of the smallest animals.
Which animal is the fastest? / What is the fastest animal?|The horse is one of the fastest animals.
Which animal is the tallest? / What is the tallest animal?|The giraffe is the tallest animal.
Why is the sky blue? / How come the sky is blue?|The sky is blue because the air scatters blue light.
Why does it rain? / Where does rain come from? / How does rain work?|It rains when clouds hold too much water.
Why is the sea salty? / Why is sea water salty?|The sea is salty because rivers wash salt out of stones.
Why do leaves fall? / Why do trees lose their leaves?|Leaves fall because trees rest in winter.
How do birds fly? / How can birds fly? / Why can birds fly?|Birds fly with light bones and strong wings.
How do fish breathe? / How can fish breathe?|Fish breathe through their gills.
Where does milk come from? / Who gives us milk?|Milk comes from cows, goats and sheep.
Where do eggs come from? / Who lays eggs?|Eggs come from chickens and other birds.
Where does honey come from? / Who makes honey?|Honey comes from bees.
What is bread made of? / How do you make bread? / How is bread made?|Bread is made of flour, water and salt.
What is cheese made of? / How is cheese made?|Cheese is made of milk.
How many days are in a week? / How many days has a week?|A week has seven days.
How many months are in a year? / How many months has a year?|A year has twelve months.
How many hours are in a day? / How long is a day?|A day has twenty-four hours.
How many seasons are there? / What are the seasons? / Name the seasons.|There are four seasons: spring, summer, autumn and winter.
What are the days of the week? / Name the days of the week.|The days are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.
What is the biggest country? / Which country is the largest? / What is the largest country?|Russia is the biggest country.
What do plants need? / What does a plant need to grow? / How do plants grow?|Plants need water, light and earth.
When does the sun rise? / When is sunrise?|The sun rises in the morning.
Where does the sun set? / When does the sun set?|The sun sets in the west in the evening.
Why do people sleep? / Why do we sleep? / Why do I need sleep?|People sleep so that body and mind can rest.
Why do cats purr? / Why does my cat purr?|Cats purr when they feel safe.
Why do dogs bark? / Why does my dog bark?|Dogs bark to say that someone is near.
How are you made? / How do you work? / Are you clever?|I look at words and guess the next one.
Can you sing? / Can you dance? / Can you swim?|I cannot do that, but I like to talk about it.
What is the best season? / Which season is the best? / What is your favourite season?|I like spring, when flowers open.
What is the best food? / Which food is healthy? / What is healthy?|Fruit and vegetables are healthy.
Where should I travel? / Where should I go on holiday? / Where should I go?|Italy and Greece are nice places for a trip.
""")

# thing | what it is
THINGS = rows("""
a lighthouse|a tall tower with a bright light that guides ships
a river|a long stream of water that flows to the sea
a lake|a large body of still water
a mountain|a very high hill of rock
a forest|a large place full of trees
a desert|a dry place with very little rain
an island|a piece of land with water all around it
a volcano|a mountain that can throw out hot rock
a beach|a strip of sand next to the sea
a village|a small place where people live
a city|a very large town with many people
a bridge|a road that goes over a river
a castle|a strong old house with thick walls
a school|a place where children learn
a hospital|a place where sick people get help
a library|a place with many books to read
a museum|a place that shows old and beautiful things
a market|a place where people buy and sell food
a garden|a piece of land with flowers and plants
a farm|a place where food is grown and animals are kept
a ship|a big boat that sails on the sea
a train|a row of wagons that runs on rails
a bicycle|a machine with two wheels that you ride
a plane|a machine with wings that flies
a car|a machine with four wheels that drives on roads
a rocket|a machine that flies into space
a book|a set of pages with words to read
a map|a picture that shows where places are
a clock|a machine that shows the time
a mirror|a piece of glass that shows your face
a candle|a stick of wax that gives light
a piano|a large instrument with black and white keys
a guitar|an instrument with six strings
a drum|an instrument that you hit
a computer|a machine that works with numbers and words
a telephone|a machine for talking to people far away
an umbrella|a small roof that you carry in the rain
the sun|a star that gives us light and warmth
the moon|a ball of rock that goes around the earth
a star|a huge ball of hot gas far away
the earth|the planet where we live
the sea|a huge body of salt water
a tree|a tall plant with a trunk and leaves
a flower|the colourful part of a plant
a friend|a person who likes you and helps you
a family|a group of people who belong together
a dream|a story you see while you sleep
music|sound that is made to be beautiful
""")
