"""The hand-written world of the demo pair: one line a thing, columns split by `|`."""

# ruff: noqa: E501 -- a thing is a line

from __future__ import annotations


def rows(text: str) -> list[list[str]]:
    """Split a table into stripped cells, one list a line."""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def items(text: str) -> list[str]:
    """Split a list: ` / ` and line ends part its items."""
    return [item for line in text.strip().splitlines() for item in line.split(" / ")]


# name | plural | kind | home | food | colour | what they can do | young | size from 1 (ant) to 6 (whale)
ANIMALS = rows("""
otter|otters|mammal|rivers and by the sea|fish and crabs|brown|swim on their backs|pups|3
fox|foxes|mammal|woods and fields|mice and berries|red and white|hear a mouse under the snow|cubs|3
cat|cats|mammal|houses and farms|fish and mice|black, white or orange|see well at night|kittens|3
dog|dogs|mammal|houses with people|meat and bones|brown, black or white|smell very well|puppies|3
horse|horses|mammal|stables and fields|grass and hay|brown, black or white|run very fast|foals|5
cow|cows|mammal|farms and fields|grass|black and white|give milk|calves|5
sheep|sheep|mammal|hills and farms|grass and clover|white|grow warm wool|lambs|4
goat|goats|mammal|mountains and farms|grass and leaves|white or brown|climb steep rocks|kids|4
pig|pigs|mammal|farms|roots and vegetables|pink|find food with their noses|piglets|4
rabbit|rabbits|mammal|holes under the ground|grass and carrots|brown or grey|hop very fast|kits|2
mouse|mice|mammal|small holes|seeds and cheese|grey or brown|hide in tiny places|pups|2
squirrel|squirrels|mammal|trees|nuts and seeds|red or grey|jump from tree to tree|kits|2
bear|bears|mammal|forests and mountains|berries, honey and fish|brown or black|sleep all winter|cubs|5
wolf|wolves|mammal|forests|deer and rabbits|grey|hunt together in packs|pups|4
lion|lions|mammal|the grassland of Africa|zebras and other animals|golden yellow|roar very loudly|cubs|5
tiger|tigers|mammal|the jungles of Asia|deer and wild pigs|orange with black stripes|swim across rivers|cubs|5
elephant|elephants|mammal|Africa and Asia|leaves, grass and fruit|grey|lift trees with their trunks|calves|6
giraffe|giraffes|mammal|the grassland of Africa|leaves from tall trees|yellow with brown spots|reach the highest leaves|calves|6
zebra|zebras|mammal|the grassland of Africa|grass|black and white|run in big groups|foals|5
monkey|monkeys|mammal|warm forests|fruit and nuts|brown|swing from branch to branch|infants|3
panda|pandas|mammal|the mountains of China|bamboo|black and white|eat all day long|cubs|5
koala|koalas|mammal|trees in Australia|eucalyptus leaves|grey|sleep twenty hours a day|joeys|3
kangaroo|kangaroos|mammal|Australia|grass and leaves|reddish brown|jump very far|joeys|4
camel|camels|mammal|the desert|dry grass and thorny plants|sandy brown|live for days without water|calves|5
deer|deer|mammal|forests and meadows|grass and leaves|brown|jump over high fences|fawns|4
hedgehog|hedgehogs|mammal|gardens and hedges|worms and insects|brown|roll into a ball|hoglets|2
bat|bats|mammal|caves and old roofs|insects and fruit|dark brown|fly in the dark|pups|2
mole|moles|mammal|tunnels under the ground|worms|black|dig long tunnels|pups|2
beaver|beavers|mammal|rivers and ponds|bark and leaves|brown|build dams|kits|3
seal|seals|mammal|cold seas|fish|grey|dive very deep|pups|4
whale|whales|mammal|the ocean|tiny shrimp and fish|blue or grey|sing under water|calves|6
dolphin|dolphins|mammal|warm seas|fish and squid|grey|jump out of the water|calves|5
hippo|hippos|mammal|rivers in Africa|grass|grey|stay under water for minutes|calves|6
donkey|donkeys|mammal|farms|hay and grass|grey|carry heavy bags|foals|4
hamster|hamsters|mammal|cages and burrows|seeds and carrots|golden brown|carry food in their cheeks|pups|2
owl|owls|bird|old trees and barns|mice and insects|brown or white|turn their heads very far|owlets|3
eagle|eagles|bird|high mountains|fish and rabbits|brown|see a mouse from far away|eaglets|3
penguin|penguins|bird|the cold south|fish and krill|black and white|swim but not fly|chicks|3
duck|ducks|bird|ponds and lakes|water plants and snails|brown, green or white|swim and fly|ducklings|3
chicken|chickens|bird|farms|corn and seeds|white or brown|lay eggs|chicks|3
swan|swans|bird|lakes and rivers|water plants|white|glide over the water|cygnets|3
parrot|parrots|bird|warm forests|fruit and seeds|green, red and blue|copy what people say|chicks|2
robin|robins|bird|gardens and woods|worms and berries|brown with a red chest|sing early in the morning|chicks|2
crow|crows|bird|fields and towns|seeds and scraps|black|solve puzzles|chicks|2
flamingo|flamingos|bird|warm shallow lakes|shrimp|pink|stand on one leg|chicks|4
frog|frogs|amphibian|ponds|flies and insects|green|jump very far|tadpoles|2
snake|snakes|reptile|grass, deserts and forests|mice and eggs|green or brown|move without legs|snakelets|3
turtle|turtles|reptile|the sea and ponds|plants and jellyfish|green|hide in their shells|hatchlings|3
crocodile|crocodiles|reptile|warm rivers|fish and other animals|dark green|wait very still|hatchlings|5
lizard|lizards|reptile|warm rocks and walls|insects|green or brown|lose their tails and grow new ones|hatchlings|2
shark|sharks|fish|the ocean|fish and seals|grey|smell food from far away|pups|5
salmon|salmon|fish|rivers and the sea|insects and small fish|silver and pink|swim up waterfalls|fry|3
goldfish|goldfish|fish|ponds and bowls|flakes and small plants|orange|remember things for months|fry|2
octopus|octopuses|mollusc|the sea floor|crabs and shellfish|red or brown|change colour|larvae|3
snail|snails|mollusc|gardens|leaves|brown|carry their houses|hatchlings|1
bee|bees|insect|hives|nectar from flowers|yellow and black|make honey|larvae|1
ant|ants|insect|nests under the ground|crumbs and seeds|black or red|carry things heavier than themselves|larvae|1
butterfly|butterflies|insect|gardens and meadows|nectar from flowers|yellow, blue or white|taste with their feet|caterpillars|1
spider|spiders|arachnid|corners and gardens|flies|black or brown|spin webs|spiderlings|1
""")

# name | spoken of as | kind | colour | taste | how it is eaten
FOODS = rows("""
apple|apples|fruit|red or green|sweet and crisp|raw or in a pie
banana|bananas|fruit|yellow|soft and sweet|raw or in a cake
orange|oranges|fruit|orange|sweet and juicy|raw or as juice
lemon|lemons|fruit|yellow|very sour|in tea or in a cake
pear|pears|fruit|green|sweet and soft|raw or with cheese
grape|grapes|fruit|green or purple|sweet and juicy|raw in a bunch
cherry|cherries|fruit|red|sweet and a little sour|raw or in a pie
strawberry|strawberries|fruit|red|sweet and fresh|raw or with cream
peach|peaches|fruit|orange and pink|sweet and juicy|raw or in jam
melon|melons|fruit|green or yellow|sweet and full of water|cold on a hot day
pineapple|pineapples|fruit|yellow|sweet and sour|in slices
coconut|coconuts|fruit|brown outside and white inside|mild and creamy|grated or as milk
tomato|tomatoes|fruit|red|fresh and a little sweet|in a salad or a sauce
carrot|carrots|vegetable|orange|sweet and crunchy|raw or in a soup
potato|potatoes|vegetable|brown or yellow|mild and soft|boiled, baked or fried
onion|onions|vegetable|white or red|sharp|fried or in a soup
cabbage|cabbages|vegetable|green|mild|in a soup or a salad
cucumber|cucumbers|vegetable|green|fresh and mild|in a salad
pepper|peppers|vegetable|red, green or yellow|sweet and fresh|raw or stuffed
pumpkin|pumpkins|vegetable|orange|sweet and mild|in a soup or a pie
mushroom|mushrooms|vegetable|brown or white|earthy|fried in butter
bean|beans|vegetable|green or brown|mild|boiled or in a stew
pea|peas|vegetable|green|sweet|boiled with a little butter
spinach|spinach|vegetable|dark green|a little bitter|in a salad or a pie
corn|corn|grain|yellow|sweet|boiled or grilled
garlic|garlic|vegetable|white|strong and sharp|fried with other food
rice|rice|grain|white or brown|mild|boiled with vegetables
bread|bread|baked food|golden brown|mild and warm|with butter or cheese
cheese|cheese|dairy food|yellow or white|salty and rich|on bread or on pizza
butter|butter|dairy food|yellow|rich and creamy|on bread
milk|milk|dairy drink|white|mild and creamy|cold or warm
yogurt|yogurt|dairy food|white|fresh and a little sour|with fruit or honey
egg|eggs|breakfast food|white or brown outside|mild and rich|boiled or fried
fish|fish|sea food|silver outside and white inside|mild and salty|grilled with lemon
soup|soup|warm dish|red, green or yellow|warm and salty|with a spoon and some bread
pizza|pizza|baked dish|red and yellow|salty and rich|hot from the oven
pasta|pasta|wheat food|yellow|mild|with a tomato sauce
pancake|pancakes|sweet dish|golden brown|soft and sweet|with honey or jam
cake|cake|dessert|brown or white|very sweet|at birthdays
cookie|cookies|dessert|golden brown|sweet and crunchy|with a glass of milk
chocolate|chocolate|sweet|dark brown|sweet and a little bitter|in small pieces
honey|honey|sweet|golden|very sweet|on bread or in tea
ice cream|ice cream|dessert|white, pink or brown|cold and sweet|in a cone
jam|jam|sweet|red or purple|sweet and fruity|on bread
nut|nuts|seed|brown|rich and crunchy|as a snack
salad|salad|cold dish|green|fresh|with oil and lemon
sandwich|sandwiches|cold dish|brown and green|salty and fresh|with both hands
tea|tea|drink|brown or green|a little bitter|hot with milk or lemon
coffee|coffee|drink|dark brown|bitter and strong|hot in the morning
water|water|drink|clear|fresh and clean|cold from a glass
""")

# country | capital | continent | language | famous for
COUNTRIES = rows("""
France|Paris|Europe|French|cheese and the Eiffel Tower
Germany|Berlin|Europe|German|castles and bread
Italy|Rome|Europe|Italian|pizza and old ruins
Spain|Madrid|Europe|Spanish|sunny beaches and dancing
Portugal|Lisbon|Europe|Portuguese|the sea and small cakes
England|London|Europe|English|tea and red buses
Ireland|Dublin|Europe|English and Irish|green hills
Scotland|Edinburgh|Europe|English|deep lakes and castles
Norway|Oslo|Europe|Norwegian|deep blue fjords
Sweden|Stockholm|Europe|Swedish|forests and lakes
Finland|Helsinki|Europe|Finnish|saunas and snow
Denmark|Copenhagen|Europe|Danish|bicycles and toy bricks
Iceland|Reykjavik|Europe|Icelandic|volcanoes and hot springs
the Netherlands|Amsterdam|Europe|Dutch|tulips and windmills
Belgium|Brussels|Europe|Dutch and French|chocolate and waffles
Switzerland|Bern|Europe|German and French|high mountains and watches
Austria|Vienna|Europe|German|music and mountains
Poland|Warsaw|Europe|Polish|dumplings and forests
Greece|Athens|Europe|Greek|islands and old temples
Hungary|Budapest|Europe|Hungarian|warm baths
Ukraine|Kyiv|Europe|Ukrainian|wheat and sunflowers
Russia|Moscow|Europe and Asia|Russian|cold winters and ballet
Turkey|Ankara|Asia and Europe|Turkish|markets and sweet tea
Egypt|Cairo|Africa|Arabic|the pyramids
Morocco|Rabat|Africa|Arabic|markets and mint tea
Kenya|Nairobi|Africa|Swahili and English|lions and elephants
Nigeria|Abuja|Africa|English|music and films
Ethiopia|Addis Ababa|Africa|Amharic|coffee
India|New Delhi|Asia|Hindi and English|spices and the Taj Mahal
China|Beijing|Asia|Chinese|the Great Wall and pandas
Japan|Tokyo|Asia|Japanese|sushi and cherry trees
Korea|Seoul|Asia|Korean|music and spicy cabbage
Thailand|Bangkok|Asia|Thai|beaches and spicy soup
Vietnam|Hanoi|Asia|Vietnamese|noodle soup and green bays
Australia|Canberra|Oceania|English|kangaroos and long beaches
New Zealand|Wellington|Oceania|English|sheep and green mountains
Canada|Ottawa|North America|English and French|maple syrup and big forests
America|Washington|North America|English|big cities and films
Mexico|Mexico City|North America|Spanish|tacos and bright colours
Brazil|Brasilia|South America|Portuguese|football and the rain forest
Argentina|Buenos Aires|South America|Spanish|tango and grassland
Peru|Lima|South America|Spanish|llamas and old stone cities
Chile|Santiago|South America|Spanish|deserts and long coasts
Cuba|Havana|North America|Spanish|old cars and music
""")

# job | plural | what they do | place
JOBS = rows("""
baker|bakers|bake bread and cakes|in a bakery
doctor|doctors|help sick people|in a hospital
nurse|nurses|care for sick people|in a hospital
teacher|teachers|help children learn|in a school
farmer|farmers|grow food and keep animals|on a farm
pilot|pilots|fly planes|in the sky
sailor|sailors|work on ships|at sea
cook|cooks|make meals|in a kitchen
waiter|waiters|bring food to the table|in a restaurant
painter|painters|paint pictures and walls|in a studio
writer|writers|write books|at a desk
singer|singers|sing songs|on a stage
dentist|dentists|look after teeth|in a dental practice
vet|vets|help sick animals|in an animal clinic
builder|builders|build houses|on a building site
gardener|gardeners|look after plants|in a garden
firefighter|firefighters|put out fires|at a fire station
policeman|policemen|keep people safe|at a police station
librarian|librarians|look after books|in a library
fisherman|fishermen|catch fish|on a boat
shepherd|shepherds|look after sheep|in the hills
tailor|tailors|make and mend clothes|in a small shop
carpenter|carpenters|make things from wood|in a workshop
mechanic|mechanics|repair cars|in a garage
driver|drivers|drive buses and trucks|on the road
scientist|scientists|study how things work|in a laboratory
astronaut|astronauts|travel into space|in a rocket
postman|postmen|bring letters and parcels|in the streets
miner|miners|dig for coal and metal|in a mine
clown|clowns|make people laugh|in a circus
""")

# feeling | answer to someone who feels so | when people feel it
FEELINGS = rows("""
sad|I am sorry you feel sad. A walk or a talk with a friend can help.|when they lose something
down|I am sorry you feel down. Be kind to yourself and talk to a friend.|on grey days
unhappy|I am sorry you feel unhappy. Tomorrow may be a better day.|when things go wrong
bad|I am sorry you feel bad. Rest a little and drink some tea.|after a hard day
great|That is wonderful. Enjoy your day.|when all goes well
happy|That is lovely to hear. Share your smile with someone today.|when something good happens
angry|Anger is hard. Breathe slowly and count to ten.|when something is not fair
tired|You should rest. A short nap or an early night can help.|when they have worked a lot
bored|You could read a book, draw a picture or go outside.|when there is nothing to do
lonely|I am sorry you feel lonely. You could call a friend or visit someone.|when they are alone for too long
scared|It is all right to be scared. Stay near someone you trust.|when something seems dangerous
nervous|Take a slow breath. You can do this, one small step at a time.|before a test or a big day
worried|Tell someone about your worry. It gets smaller when you share it.|when something may go wrong
excited|How exciting! Enjoy every minute of it.|before a party or a trip
proud|Well done! You can be proud of your work.|when they have done something well
hungry|You should eat something. Bread with cheese or an apple is good.|when they have not eaten
thirsty|Drink a glass of cold water. That helps at once.|when they have not drunk
sick|I hope you get well soon. Rest, drink tea and see a doctor if it gets worse.|when they have a cold
cold|Put on a warm coat and drink some hot tea.|in winter
hot|Sit in the shade and drink cold water.|in summer
confused|That is all right. Ask again slowly, step by step.|when things are not clear
grateful|That is a warm feeling. You could write a kind letter.|when someone helps them
jealous|It happens to everyone. Think of the good things you have.|when others have what they want
shy|Many people are shy. A small hello is a good start.|when they meet new people
calm|That is a good feeling. Enjoy the quiet.|by the water or in a quiet room
sleepy|Go to bed early and put away bright lights.|late in the evening
""")

# weather | the sky does this | advice | what it is
WEATHER = rows("""
rain|it rains|take an umbrella and wear boots|water that falls from clouds
snow|it snows|wear a warm coat, gloves and a hat|frozen water that falls from cold clouds
wind|it is windy|wear a jacket and hold on to your hat|air that moves
fog|it is foggy|walk slowly and carry a light|a cloud that lies on the ground
sunshine|it is sunny|wear a hat and drink water|the light and warmth of the sun
thunder|it thunders|stay inside and wait|the loud sound that follows lightning
lightning|there is lightning|stay away from tall trees|a big spark in the sky
ice|it is icy|walk slowly and wear good boots|frozen water
hail|it hails|stay under a roof|small balls of ice that fall from clouds
a storm|it storms|stay inside and close the windows|strong wind with heavy rain
a rainbow|there is a rainbow|look up and enjoy the colours|sunlight that shines through rain
frost|it is frosty|wear gloves and a scarf|thin ice on grass and windows
""")
